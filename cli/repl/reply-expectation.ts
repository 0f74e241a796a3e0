// Tracks which commands the server answers after CLIENT REPLY, by the server's own rules
// (resp/commands/session.ts).
//
//   CLIENT REPLY OFF    not answered, nor is anything after it, until CLIENT REPLY ON or RESET
//   CLIENT REPLY SKIP   not answered, nor is the next command
//   CLIENT REPLY ON     answered, as is everything after it

export class ReplyExpectation {
  #mode: 'on' | 'off' | 'skip-next' = 'on';

  /**
   * Whether a command of the REPL itself would be answered, and its reply could not be mistaken for
   * another's.
   */
  get isOn(): boolean {
    return this.#mode === 'on';
  }

  /**
   * Whether the server answers the command. Must be called for each command, in the order in which
   * they are sent.
   */
  isAnswered(args: readonly (string | Buffer)[]): boolean {
    const [first, second, wanted] = args.map((arg) => arg.toString().toUpperCase());
    if (first === 'CLIENT' && second === 'REPLY' && args.length === 3) {
      if (wanted === 'OFF') this.#mode = 'off';
      else if (wanted === 'SKIP' && this.#mode === 'on') this.#mode = 'skip-next';
      if (wanted === 'OFF' || wanted === 'SKIP') return false;
    }
    const isBack = wanted === 'ON' && first === 'CLIENT' && second === 'REPLY';
    if (isBack || first === 'RESET') this.#mode = 'on';
    const isAnswered = this.#mode === 'on';
    if (this.#mode === 'skip-next') this.#mode = 'on';
    return isAnswered;
  }
}
