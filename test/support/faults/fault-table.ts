// The results of the fault tests: a line per fault, collected by fault-table-setup.ts.

import { appendFileSync } from 'node:fs';
import { SEED } from './faults.ts';
import type { WindowReport } from '../readers/read-window.ts';

/** Where lines are collected; set by fault-table-setup.ts. */
export const ROWS_VARIABLE = 'STELE_FAULT_ROWS_FILE';

export interface FaultRow {
  /** Sort key of the table: the number of the fault, with a letter if it has several lines. */
  readonly row: string;
  readonly fault: string;
  readonly trials: number;
  /** Absent if nothing is read during this fault. */
  readonly reads?: number;
  readonly failed?: number;
  readonly p99Ms?: number;
  /** From the fault until no read noticed it any more. */
  readonly reroutedSeconds?: number;
  /** From the fault, or from its end, until the state in `recovered`. */
  readonly recoverySeconds?: number;
  readonly recovered?: string;
  /** Evidence that the fault happened, and other observations. */
  readonly seen: string;
}

/** Prints the line and reports it. */
export function handOver(row: FaultRow): void {
  console.log(`  fault ${JSON.stringify({ ...row, seed: SEED })}`);
  const path = process.env[ROWS_VARIABLE];
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
}

/** The combined trials of one fault: sums of reads, maxima of all times. */
export class Trials {
  #trials = 0;
  #reads = 0;
  #failed = 0;
  #p99Ms = 0;
  #reroutedMs = 0;
  #recoveryMs: number | undefined;
  readonly failures: string[] = [];

  add(report: WindowReport, recoveryMs?: number): void {
    this.#trials++;
    this.#reads += report.reads;
    this.#failed += report.failed;
    this.#p99Ms = Math.max(this.#p99Ms, report.p99Ms);
    this.#reroutedMs = Math.max(this.#reroutedMs, report.reroutedMs);
    if (recoveryMs !== undefined) {
      this.#recoveryMs = Math.max(this.#recoveryMs ?? 0, recoveryMs);
    }
    this.failures.push(...report.failures);
    console.log(
      `  p50 ${report.p50Ms.toFixed(1)} ms, p99 ${report.p99Ms.toFixed(0)} ms, rerouted after ${report.reroutedMs.toFixed(0)} ms; noticed by ${report.disturbed}`,
    );
    if (report.spoilt > 0) console.log(`  ${report.spoilt} reads left out: the test stood still`);
  }

  /** The largest p99 of all trials. */
  get p99Ms(): number {
    return this.#p99Ms;
  }

  handOver(row: Pick<FaultRow, 'row' | 'fault' | 'recovered' | 'seen'>): void {
    handOver({
      ...row,
      trials: this.#trials,
      reads: this.#reads,
      failed: this.#failed,
      p99Ms: Math.round(this.#p99Ms),
      reroutedSeconds: seconds(this.#reroutedMs),
      ...(this.#recoveryMs === undefined ? {} : { recoverySeconds: seconds(this.#recoveryMs) }),
    });
  }
}

/** Two decimals are enough for people. */
export function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
