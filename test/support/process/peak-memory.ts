// The peak memory of a process of the command line.

import { readFileSync } from 'node:fs';
import { SteleProcess } from './stele-process.ts';
import type { Finished } from './stele-process.ts';

const LOOK_EVERY_MS = 10;

/** Runs one command to its end. */
export async function steleMeasured(
  args: readonly string[],
): Promise<{ done: Finished; peakBytes: number }> {
  const process = new SteleProcess(args);
  let peakBytes = 0;
  const timer = setInterval(
    () => (peakBytes = Math.max(peakBytes, peakOf(process.pid))),
    LOOK_EVERY_MS,
  );
  try {
    return { done: await process.finished(), peakBytes };
  } finally {
    clearInterval(timer);
  }
}

/** As counted by Linux since the process started; 0 once it is gone. */
function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
