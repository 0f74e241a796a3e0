// `stele top`: samples the counters of the cluster, and shows the rates between two samples.
//
// On a terminal it goes on until q or a signal; s changes the order. Elsewhere it prints one
// report.

import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { EXIT_NOT_READY, EXIT_OK, exitCodeOfError, exitCodeOfSignal, sentenceOf } from '../exit.ts';
import { untilInterrupted } from '../interruption.ts';
import { Screen } from '../listings/screen.ts';
import type { Output } from '../output.ts';
import { requireLeader } from '../no-leader.ts';
import type { Admin } from '../with-admin.ts';
import { formatReport, SORTS } from './frame.ts';
import type { Sort } from './frame.ts';
import { reportOf } from './rates.ts';
import type { Sample, TopReport } from './rates.ts';

type Source = Pick<Admin, 'listNodes' | 'readCounters'>;

/** Counts are not of one moment, but of a few milliseconds. */
async function takeSample(source: Source): Promise<Sample> {
  const [counters, answer] = await Promise.all([source.readCounters(), source.listNodes()]);
  requireLeader(answer);
  return { atMs: monotonicNowMs(), counters, nodes: answer.nodes };
}

/** One report, over `intervalMs`. */
export async function reportOnce(source: Source, intervalMs: number): Promise<TopReport> {
  const before = await takeSample(source);
  await sleep(intervalMs);
  return reportOf(before, await takeSample(source));
}

interface LiveOptions {
  readonly output: Output;
  readonly intervalMs: number;
  readonly sort: Sort;
  readonly input: NodeJS.ReadStream;
}

/** Shows reports until q (0), Ctrl-C or a signal; returns the exit code. */
export function showLive(source: Source, options: LiveOptions): Promise<number> {
  return untilInterrupted(async (signal) => {
    const live = new Live(options);
    const keys = readKeys(options.input, (key) => live.press(key));
    signal.addEventListener('abort', () => live.stop(EXIT_OK), { once: true });
    try {
      let before = await takeSample(source);
      live.show('Counting ...');
      while (!live.signal.aborted) {
        await sleep(options.intervalMs, live.signal);
        if (live.signal.aborted) break;
        try {
          const now = await takeSample(source);
          live.report(reportOf(before, now));
          before = now;
        } catch (thrown) {
          if (exitCodeOfError(thrown) !== EXIT_NOT_READY) throw thrown;
          live.show(options.output.paint('red', sentenceOf(thrown)));
        }
      }
      return live.code;
    } finally {
      keys.close();
      live.end();
    }
  });
}

class Live {
  readonly #stopping = new AbortController();
  readonly #screen: Screen;
  readonly #output: Output;
  readonly #footer: string;
  #sort: Sort;
  #report: TopReport | undefined;
  code = EXIT_OK;

  constructor({ intervalMs, output, sort }: LiveOptions) {
    this.#output = output;
    this.#screen = new Screen(output);
    this.#sort = sort;
    this.#footer = `every ${intervalMs / 1000} s; q ends, s sorts`;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  press(key: string): void {
    if (key === 'q') this.stop(EXIT_OK);
    // Ctrl-C: a terminal in raw mode sends no signal.
    else if (key === '\u0003') this.stop(exitCodeOfSignal('SIGINT'));
    else if (key === 's') {
      this.#sort = SORTS[(SORTS.indexOf(this.#sort) + 1) % SORTS.length] ?? 'name';
      if (this.#report !== undefined) this.report(this.#report);
    }
  }

  stop(code: number): void {
    this.code = code;
    this.#stopping.abort();
  }

  report(report: TopReport): void {
    this.#report = report;
    this.show(formatReport(report, this.#sort, this.#output.paint));
  }

  show(text: string): void {
    const footer = this.#output.paint('dim', `${this.#footer} (by ${this.#sort})`);
    if (!this.signal.aborted) this.#screen.draw(`${footer}\n\n${text}`);
  }

  /** Leaves the last report below the prompt. */
  end(): void {
    this.#screen.close();
    if (this.#report !== undefined) {
      this.#output.line(formatReport(this.#report, this.#sort, this.#output.paint));
    }
  }
}

/** Calls `onKey` with each key, if there is a keyboard. */
function readKeys(input: NodeJS.ReadStream, onKey: (key: string) => void): { close(): void } {
  if (!input.isTTY) return { close: () => undefined };
  const onData = (data: Buffer): void => {
    for (const key of data.toString()) onKey(key);
  };
  input.setRawMode(true);
  input.on('data', onData);
  input.resume();
  return {
    close: () => {
      input.off('data', onData);
      input.setRawMode(false);
      input.pause();
    },
  };
}
