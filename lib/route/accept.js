'use strict';
// What a client takes: Accept and Accept-Encoding (RFC 9110, 12.5).

/** Each range or coding of a header, in lower case, with its weight. */
function weightsOf(header = '') {
  const ranges = header.toLowerCase().split(',');
  return new Map(
    ranges.map((range) => {
      const [name, ...parameters] = range.split(';').map((part) => part.trim());
      const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
      return [name, Number(weight) || 0];
    }),
  );
}

/** Browsers name text/html when a person follows a link; curl, fetch() and other clients take anything. */
function prefersHtml(accept) {
  const weights = weightsOf(accept);
  const html = weights.get('text/html') ?? 0;
  return html > 0 && html >= (weights.get('application/json') ?? 0);
}

const takesGzip = (acceptEncoding) => (weightsOf(acceptEncoding).get('gzip') ?? 0) > 0;

module.exports = { prefersHtml, takesGzip };
