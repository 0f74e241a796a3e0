// What the tests of faults hand over: a line for each fault, collected by fault-table-setup.ts.

import { appendFileSync } from 'node:fs';
import { SEED } from './faults.ts';
import type { WindowReport } from './steady-reader.ts';

/** Where lines are collected; set by fault-table-setup.ts. */
export const ROWS_VARIABLE = 'STELE_FAULT_ROWS_FILE';

export interface FaultRow {
  /** Sorts the table: the number of the fault, and a letter where it has several lines. */
  readonly row: string;
  readonly fault: string;
  readonly trials: number;
  /** Absent: nobody reads in this one. */
  readonly reads?: number;
  readonly failed?: number;
  readonly p99Ms?: number;
  /** From the fault until no read noticed it any more. */
  readonly reroutedSeconds?: number;
  /** From the fault, or from its end, until what `recovered` says. */
  readonly recoverySeconds?: number;
  readonly recovered?: string;
  /** How it is known that the fault happened, and what else was seen. */
  readonly seen: string;
}

/** Prints the line and hands it over. */
export function handOver(row: FaultRow): void {
  console.log(`  fault ${JSON.stringify({ ...row, seed: SEED })}`);
  const path = process.env[ROWS_VARIABLE];
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
}

/** Trials of one fault, added up: sums of reads, the worst of all times. */
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

  /** The worst p99 of all trials. */
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

/** Hundredths are enough for people. */
export function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
