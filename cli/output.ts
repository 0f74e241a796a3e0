// The output of a verb: results to stdout, messages for people to stderr.
//
// Colour is only used on a terminal, and not with NO_COLOR (https://no-color.org).

import { LogSink } from '../base/log-sink.ts';

/** The two streams of a command, as verbs use them. */
export interface Output {
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  readonly errorIsTerminal: boolean;
  /** Width of stderr's terminal; 80 if there is none. */
  readonly columns: () => number;
  /** Height of stdout's terminal; 24 if there is none. */
  readonly rows: () => number;
  readonly paint: (style: Style, text: string) => string;
  write(text: string | Uint8Array): void;
  line(text: string): void;
  errorWrite(text: string): void;
  errorLine(text: string): void;
  /**
   * Declares stdout a log from now on: a line that cannot be written is dropped and counted, and is
   * not an error.
   */
  beginLog?(): void;
}

/** Also knows whether its output is a log, or a result that must not be lost. */
export interface ProcessOutput extends Output {
  readonly isLog: boolean;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** `text` in an ANSI terminal style. */
export function paintAnsi(style: Style, text: string): string {
  const [on, off] = CODES[style];
  return `\u001B[${on}m${text}\u001B[${off}m`;
}

/** The streams of the process. */
export function processOutput(environment: Readonly<NodeJS.ProcessEnv>): ProcessOutput {
  const { stdout, stderr } = process;
  const noColour = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  let log: LogSink | undefined;
  const write = (text: string | Uint8Array): void => {
    if (log === undefined) stdout.write(text);
    else log.write(typeof text === 'string' ? text : Buffer.from(text).toString());
  };
  return {
    isTerminal: stdout.isTTY,
    errorIsTerminal: stderr.isTTY,
    columns: () => (stderr.isTTY ? stderr.columns : 80),
    rows: () => (stdout.isTTY ? stdout.rows : 24),
    paint: (style, text) => (stdout.isTTY && !noColour ? paintAnsi(style, text) : text),
    write,
    line: (text) => write(`${text}\n`),
    errorWrite: (text) => void stderr.write(text),
    errorLine: (text) => void stderr.write(`${text}\n`),
    beginLog: () => (log ??= new LogSink(stdout.fd, { lostLine })),
    get isLog() {
      return log !== undefined;
    },
  };
}

function lostLine(count: number, reason: string): string {
  return `${count} lines of this output were lost (${reason})\n`;
}
