import type { Registry } from 'prom-client';

export interface CollectMetricsOptions {
  /** Where the metrics are registered; default prom-client's own `register`. */
  register?: Registry | undefined;
  /** What each name begins with; default `heapgap_`. */
  prefix?: string | undefined;
  /**
   * Whether each scrape has the findings of `diagnose()`, no older than 5 s: `heapgap_verdict_info`,
   * `heapgap_finding_info` and `heapgap_finding_bytes`. They take a look at every mapping of the process, on
   * another thread. Default `true`.
   */
  findings?: boolean | undefined;
}

/**
 * Registers heapgap's metrics with prom-client (an optional peer dependency): the allocator's figures, the
 * ledger, the cgroup, the governor's and `purge()`'s work, findings. They are read when the registry is: a
 * scrape costs a `snapshot()`. A figure that is missing has no sample.
 *
 * Call it once for each registry; a second time throws prom-client's own error. In the workers of node:cluster
 * prom-client's `AggregatorRegistry` sums them up, but for what belongs to the cgroup, of which it takes the largest.
 *
 * Throws `ERR_HEAPGAP_PEER_MISSING` without prom-client, and an `ERR_HEAPGAP_*` error for a bad option.
 */
export function collectMetrics(options?: CollectMetricsOptions): void;

/** A new registry with nothing but heapgap's metrics, as `GET /debug/memory/metrics` serves them. */
export function makeRegistry(): Registry;
