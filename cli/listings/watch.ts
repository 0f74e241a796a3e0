// `--watch`: asks again and again, and shows the answer whenever it has changed.
//
//   on a terminal   redrawn in place; the last answer stays below the prompt at the end
//   elsewhere       each answer after the one before it: lines of JSON, documents of YAML, or tables
//                   with an empty line between them
//
// The first question must be answered. Later, it waits for a master that is away, and says so in
// one line on stderr.

import { sleep } from '../../base/clock.ts';
import { EXIT_NOT_READY, EXIT_OK, exitCodeOfError, reportNotice, sentenceOf } from '../exit.ts';
import { untilInterrupted } from '../interruption.ts';
import type { Output } from '../output.ts';
import { isForPrograms } from '../result.ts';
import type { ListingForm } from '../result.ts';
import { Screen } from './screen.ts';

export interface WatchOptions {
  readonly output: Output;
  readonly form: ListingForm;
  readonly intervalMs: number;
}

/** Written between two answers. */
const BETWEEN: Readonly<Record<ListingForm, string>> = {
  json: '',
  yaml: '---\n',
  table: '\n',
  wide: '\n',
  name: '\n',
};

/** Shows what `read` returns, until a signal; returns its exit code. */
export function watch(options: WatchOptions, read: () => Promise<string>): Promise<number> {
  return untilInterrupted(async (signal) => {
    const view =
      options.output.isTerminal && !isForPrograms(options.form)
        ? onScreen(options)
        : asStream(options);
    try {
      view.show(await aborted(signal, read()));
      for (;;) {
        await sleep(options.intervalMs, signal);
        if (signal.aborted) return EXIT_OK;
        await refresh(view, () => aborted(signal, read()));
      }
    } finally {
      view.end();
    }
  });
}

interface View {
  show(text: string): void;
  /** Tells that nothing can be asked at the moment. */
  away(sentence: string): void;
  end(): void;
}

async function refresh(view: View, read: () => Promise<string>): Promise<void> {
  try {
    view.show(await read());
  } catch (thrown) {
    if (exitCodeOfError(thrown) !== EXIT_NOT_READY) throw thrown;
    view.away(sentenceOf(thrown));
  }
}

function asStream({ form, output }: WatchOptions): View {
  let last: string | undefined;
  let isAway = false;
  return {
    show: (text) => {
      isAway = false;
      if (text === last) return;
      if (last !== undefined) output.write(BETWEEN[form]);
      last = text;
      output.line(text);
    },
    away: (sentence) => {
      if (!isAway) reportNotice(output, sentence, form === 'json');
      isAway = true;
    },
    end: () => undefined,
  };
}

function onScreen({ output }: WatchOptions): View {
  const screen = new Screen(output);
  let last = '';
  return {
    show: (text) => {
      last = text;
      screen.draw(text);
    },
    away: (sentence) => screen.draw(`${output.paint('red', sentence)}\n\n${last}`),
    end: () => {
      screen.close();
      if (last !== '') output.line(last);
    },
  };
}

/** What `pending` resolves to; rejects as soon as `signal` aborts. */
async function aborted<T>(signal: AbortSignal, pending: Promise<T>): Promise<T> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Error('interrupted'));
  });
  signal.addEventListener('abort', stop, { once: true });
  try {
    const value = await Promise.race([pending, stopped]);
    signal.throwIfAborted();
    return value;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
