// A terminal that is redrawn in place: text fills the screen from the top, and the shell's screen
// comes back at the end.
//
//   ESC[?1049h  the other screen      ESC[?7l  long lines are cut       ESC[?25l  no cursor
//   ESC[H       to the top            ESC[K    clear to the line's end  ESC[J     clear what is below

import type { Output } from '../output.ts';

const ENTER = '\u001B[?1049h\u001B[?7l\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?7h\u001B[?1049l';

export class Screen {
  readonly #output: Output;
  #isOpen = false;
  // A process that ends in any other way must not leave the terminal like this.
  readonly #onExit = (): void => this.close();

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows `text`, and cuts off what does not fit. */
  draw(text: string): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      process.once('exit', this.#onExit);
      this.#output.write(ENTER);
    }
    const lines = fitting(text.split('\n'), this.#output.rows());
    this.#output.write(`\u001B[H${lines.map((line) => `${line}\u001B[K`).join('\r\n')}\u001B[J`);
  }

  /** Brings the shell's screen back. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#onExit);
    this.#output.write(LEAVE);
  }
}

/** At most `rows` lines; the last one says how many more there are. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const shown = Math.max(0, rows - 1);
  return [...lines.slice(0, shown), `... ${lines.length - shown} more lines`];
}
