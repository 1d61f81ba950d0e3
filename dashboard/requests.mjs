// Requests to the route that this page came from.

/** This file is below …/page/. */
export const BASE = new URL('..', import.meta.url);

/** The answer's value; throws what it says where it is an error. */
async function ask(method, path) {
  const response = await fetch(new URL(path, BASE), {
    method,
    headers: { Accept: 'application/json' },
  });
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  const { code, message } = answer?.error ?? {};
  throw Object.assign(new Error(message ?? `the server answered ${response.status}`), { code });
}

const TRIES = 10;

/** In a cluster any worker may answer: asks again for as long as `isOther` of the answer, or the error. */
export async function askProcess(method, path, isOther) {
  for (let tries = 1; ; tries += 1) {
    const { answer, error } = await ask(method, path).then(
      (answer) => ({ answer }),
      (error) => ({ error }),
    );
    if (!isOther({ answer, error })) {
      if (error) throw error;
      return answer;
    }
    if (tries === TRIES)
      throw new Error('another process of the cluster answered each time; try again');
  }
}
