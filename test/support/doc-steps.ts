// Runs the commands of a page of the documentation, in order, against a cluster of its own on free
// ports and in its own folder. The text after `# ->` must be in the output of the command above.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fencedBlocks, readDoc } from '../docs/markdown.ts';
import { PROJECT, SteleProcess } from './process/stele-process.ts';
import type { Finished } from './process/stele-process.ts';

const COMMAND_MS_MAX = 90_000;
const READY_MS_MAX = 60_000;
const EXPECTED = '# -> ';
const FREE_PORTS = { STELE_HTTP_PORT: '0', STELE_RESP_PORT: '0', STELE_GRPC_PORT: '0' };
/** What the commands need. */
export const DOC_TOOLS = ['redis-cli', 'curl', 'bash'];

export interface DocStep {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The commands in the blocks `sh` of a text in Markdown. */
export function docSteps(text: string): DocStep[] {
  return fencedBlocks(text, 'sh').flatMap(stepsOf);
}

function stepsOf(block: string): DocStep[] {
  const found: { command: string; expected: string[] }[] = [];
  for (const line of block.split('\n').filter((one) => one !== '')) {
    if (line.startsWith(EXPECTED)) found.at(-1)?.expected.push(line.slice(EXPECTED.length));
    else found.push({ command: line, expected: [] });
  }
  return found;
}

/** The cluster of `npm start`, and a folder in which commands run. */
export class DocCluster {
  readonly process: SteleProcess;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.process = new SteleProcess(startArguments(), { cwd: folder, env: FREE_PORTS });
  }

  static async start(): Promise<DocCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'stele-docs-'));
    symlinkSync(join(PROJECT, 'data'), join(folder, 'data'));
    mkdirSync(join(folder, 'bin'));
    // npx finds `stele` only in a checkout, which this folder is not.
    const script = `#!/bin/sh\nshift\nexec '${process.execPath}' '${join(PROJECT, 'dist/cli/main.js')}' "$@"\n`;
    writeFileSync(join(folder, 'bin', 'npx'), script, { mode: 0o755 });
    const cluster = new DocCluster(folder);
    await cluster.process.printed(/^ready$/m, READY_MS_MAX);
    return cluster;
  }

  run(command: string): { status: number | null; stdout: string; stderr: string } {
    const [master] = this.process.addresses();
    if (master === undefined) throw new Error(`no address in: ${this.process.stdout}`);
    const onItsPorts = command
      .replaceAll('127.0.0.1:9000', `127.0.0.1:${master.http}`)
      .replaceAll('-p 7379', `-p ${master.resp}`);
    return spawnSync('bash', ['-euo', 'pipefail', '-c', onItsPorts], {
      cwd: this.#folder,
      encoding: 'utf8',
      timeout: COMMAND_MS_MAX,
      env: {
        ...process.env,
        PATH: `${join(this.#folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
        NO_COLOR: '1',
        STELE_MASTER: `127.0.0.1:${master.grpc}`,
        STELE_PORT: String(master.resp),
      },
    });
  }

  async close(): Promise<Finished> {
    const finished = await this.process.kill('SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
    return finished;
  }
}

/** The arguments of `stele` in `npm start`. */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readDoc('package.json')) as { scripts: { start: string } };
  return (scripts.start.split('dist/cli/main.js ')[1] ?? '').split(' ');
}
