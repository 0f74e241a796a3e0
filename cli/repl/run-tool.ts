// The flags of `stele cli` that run a tool instead of a command: --scan, --bigkeys, --memkeys,
// --hotkeys, --stat, --latency, --latency-history, --latency-dist.

import { EXIT_OK } from '../exit.ts';
import type { Output } from '../output.ts';
import type { ToolName } from './cli-flags.ts';
import type { ReplyForm } from './reply-form.ts';
import { printReply } from './reply-form.ts';
import type { CliSession } from './repl-session.ts';
import { printHotKeys } from './tools/hot-keys.ts';
import { printLargestKeys } from './tools/largest-keys.ts';
import { printLatency } from './tools/latency.ts';
import { scanKeys } from './tools/scan-keys.ts';
import type { KeyScan } from './tools/scan-keys.ts';
import { printStat } from './tools/stat.ts';

export interface ToolSettings {
  readonly pattern: string | undefined;
  readonly count: number;
  /** Undefined: as long as the tool likes. */
  readonly intervalMs: number | undefined;
  readonly times: number;
  readonly form: ReplyForm;
}

const STAT_INTERVAL_MS = 1000;
const HISTORY_INTERVAL_MS = 15_000;

/** Runs the tool; returns the exit code. */
export async function runTool(
  session: CliSession,
  output: Output,
  tool: ToolName,
  settings: ToolSettings,
): Promise<number> {
  const { pattern, count, intervalMs } = settings;
  const scan: KeyScan = { pattern, count, intervalMs: intervalMs ?? 0 };
  if (tool === 'scan') await printKeys(session, output, scan, settings.form);
  else if (tool === 'bigkeys') await printLargestKeys(session, output, 'length', scan);
  else if (tool === 'memkeys') await printLargestKeys(session, output, 'memory', scan);
  else if (tool === 'hotkeys') await printHotKeys(session, output);
  else if (tool === 'stat') {
    const times = settings.times > 1 ? settings.times : Infinity;
    await printStat(session, output, intervalMs ?? STAT_INTERVAL_MS, times);
  } else {
    const forms = {
      latency: 'live',
      latencyHistory: 'history',
      latencyDist: 'distribution',
    } as const;
    const usualMs = tool === 'latencyDist' ? STAT_INTERVAL_MS : HISTORY_INTERVAL_MS;
    await printLatency(session, output, { form: forms[tool], intervalMs: intervalMs ?? usualMs });
  }
  return EXIT_OK;
}

async function printKeys(
  session: CliSession,
  output: Output,
  scan: KeyScan,
  form: ReplyForm,
): Promise<void> {
  for await (const keys of scanKeys(session, scan)) {
    for (const bytes of keys) printReply(['SCAN'], { type: 'bulk', bytes }, output, form);
  }
}
