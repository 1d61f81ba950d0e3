import type { Meter } from '@opentelemetry/api';

export interface CollectMetricsOptions {
  /** Whose instruments they are; default `metrics.getMeter('heapgap')` of `@opentelemetry/api`. */
  meter?: Meter | undefined;
  /**
   * Whether each collection has the findings of `diagnose()`, no older than 5 s, which take a look at every mapping
   * of the process on another thread. Default `true`.
   */
  findings?: boolean | undefined;
  /**
   * Whether what OpenTelemetry's semantic conventions have a name for is exported under it, too:
   * `process.memory.usage`, `v8js.memory.heap.*`, `container.memory.usage`. Default `true`; `false` where another
   * instrumentation does.
   */
  semanticConventions?: boolean | undefined;
}

/**
 * Makes observable instruments (`@opentelemetry/api` is an optional peer dependency): `heapgap.*`, and those of the semantic
 * conventions. One callback reads for all of them when a reader collects. A figure that is missing is not observed; one that was there
 * before keeps its last value, as the SDK does. What `diagnose()` does not find any more is 0.
 *
 * Call it once for each meter, after the SDK has set its meter provider.
 *
 * Throws `ERR_HEAPGAP_PEER_MISSING` without `@opentelemetry/api`, and an `ERR_HEAPGAP_*` error for a bad option.
 */
export function collectMetrics(options?: CollectMetricsOptions): void;
