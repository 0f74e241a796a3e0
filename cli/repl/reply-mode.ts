// Which commands the server answers, as CLIENT REPLY has said: the same rules as the server's (resp/commands/session.ts).
//
//   CLIENT REPLY OFF    neither it nor what follows, until CLIENT REPLY ON or RESET
//   CLIENT REPLY SKIP   neither it nor the command after it
//   CLIENT REPLY ON     is answered, as everything is after it

export class ReplyMode {
  #mode: 'on' | 'off' | 'skip-next' = 'on';

  /** Whether a command of our own would be answered, and would not be taken for that of somebody else. */
  get isOn(): boolean {
    return this.#mode === 'on';
  }

  /** To be asked of each command, in the order in which they are sent. */
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
