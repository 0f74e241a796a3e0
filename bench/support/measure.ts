// Statistics of samples, and a description of the machine.

import { cpus, totalmem } from 'node:os';

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which `part` (0 to 1) of the values lie. */
export function percentile(values: readonly number[], part: number): number {
  return ofSorted(
    [...values].sort((a, b) => a - b),
    part,
  );
}

/** Like `percentile`, for values that are already sorted, such as many million latencies. */
export function ofSorted(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function machine(): string {
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} cores (${model}), ${gib} GiB, Node.js ${process.versions.node}`;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
