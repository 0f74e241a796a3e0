// An output that records what is written.

import { paintAnsi } from '../../cli/output.ts';
import type { Output } from '../../cli/output.ts';

export class RecordingOutput implements Output {
  readonly isTerminal: boolean;
  readonly errorIsTerminal: boolean;
  readonly paint: Output['paint'];
  stdout = '';
  stderr = '';

  constructor(terminal = false) {
    this.isTerminal = terminal;
    this.errorIsTerminal = terminal;
    this.paint = (style, text) => (terminal ? paintAnsi(style, text) : text);
  }

  readonly columns = (): number => 80;
  readonly rows = (): number => 24;

  write(text: string | Uint8Array): void {
    this.stdout += Buffer.from(text).toString();
  }

  line(text: string): void {
    this.stdout += `${text}\n`;
  }

  errorWrite(text: string): void {
    this.stderr += text;
  }

  errorLine(text: string): void {
    this.stderr += `${text}\n`;
  }
}
