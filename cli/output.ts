// Where a verb writes: results to stdout, words for people to stderr.
//
// Colour only where a person sees it: on a terminal, and without NO_COLOR (https://no-color.org).

/** The two streams of a command, as verbs use them. */
export interface Output {
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  readonly errorIsTerminal: boolean;
  /** Width of the terminal that stderr is; 80 where there is none. */
  readonly columns: () => number;
  readonly paint: (style: Style, text: string) => string;
  write(text: string | Uint8Array): void;
  line(text: string): void;
  errorWrite(text: string): void;
  errorLine(text: string): void;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** `text` in a style of ANSI terminals. */
export function paintAnsi(style: Style, text: string): string {
  const [on, off] = CODES[style];
  return `\u001B[${on}m${text}\u001B[${off}m`;
}

/** The process's own streams. */
export function processOutput(environment: Readonly<NodeJS.ProcessEnv>): Output {
  const { stdout, stderr } = process;
  const noColour = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  return {
    isTerminal: stdout.isTTY,
    errorIsTerminal: stderr.isTTY,
    columns: () => (stderr.isTTY ? stderr.columns : 80),
    paint: (style, text) => (stdout.isTTY && !noColour ? paintAnsi(style, text) : text),
    write: (text) => void stdout.write(text),
    line: (text) => void stdout.write(`${text}\n`),
    errorWrite: (text) => void stderr.write(text),
    errorLine: (text) => void stderr.write(`${text}\n`),
  };
}
