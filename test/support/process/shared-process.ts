// Command lines run in one process that all tests of a file share, one for each environment: the built verbs, with their
// parsing, messages and exit codes, but without a start of Node.js for each.
//
// Only main.ts is missing: the streams, and the end of the process. If a test is about those, or
// kills, stops or measures the process, it uses `stele` of stele-process.ts. Log lines, which a
// process also writes to stderr, are not in the result.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROJECT } from './stele-process.ts';
import type { Finished } from './stele-process.ts';

const PROGRAM = `
  const { runCommandLine } = await import(process.argv[1]);
  // Each load adds its own signal handlers.
  process.setMaxListeners(0);
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, words }) => {
    const said = { stdout: '', stderr: '' };
    const into = (stream) => (text) => void (said[stream] += Buffer.from(text).toString());
    const lineInto = (stream) => (text) => into(stream)(text + '\\n');
    const code = await runCommandLine(words, {
      isTerminal: false,
      errorIsTerminal: false,
      columns: () => 80,
      paint: (style, text) => text,
      write: into('stdout'),
      line: lineInto('stdout'),
      errorWrite: into('stderr'),
      errorLine: lineInto('stderr'),
    }, process.env);
    process.send({ id, code, ...said });
  });
`;

/** How a command ended. */
export type Done = Pick<Finished, 'code' | 'stdout' | 'stderr'>;

/** By the variables that they have beside those of the tests. */
const shared = new Map<string, SharedProcess>();

/** Runs one command to its end; several may run at the same time. */
export function steleShared(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Done> {
  const name = JSON.stringify(env);
  const present = shared.get(name) ?? new SharedProcess(name, env);
  shared.set(name, present);
  return present.run(words);
}

/** Ends with the test process, which it notices. */
class SharedProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (done: Done) => void>();
  #lastId = 0;

  constructor(name: string, env: Readonly<Record<string, string>>) {
    const program = pathToFileURL(join(PROJECT, 'dist', 'bundle', 'program.js')).href;
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, program], {
      cwd: PROJECT,
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let log = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
    this.#child.on('message', ({ id, ...done }: Done & { id: number }) => {
      this.#waiting.get(id)?.(done);
      this.#waiting.delete(id);
    });
    this.#child.once('close', (code) => {
      // Like the end of a separate process; the next command starts another one.
      if (shared.get(name) === this) shared.delete(name);
      for (const resolve of this.#waiting.values()) resolve({ code, stdout: '', stderr: log });
    });
  }

  run(words: readonly string[]): Promise<Done> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, words });
    });
  }
}
