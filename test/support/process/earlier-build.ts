// An earlier release of Stele, built in a temporary folder: that of the last tag, or the one in
// STELE_PREVIOUS (something that git knows, or a folder with a build of it, such as an installed
// package).

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from './stele-process.ts';
import { removeAtEnd } from './watchdog.ts';

const MAIN = join('dist', 'cli', 'main.js');
const BUILD_MS_MAX = 20 * 60_000;
const OUTPUT_BYTES_MAX = 1024 ** 3;

export interface EarlierBuild {
  /** For people: the tag or the commit, and the release that it says it is. */
  readonly title: string;
  /** The program, for SteleProcess. */
  readonly script: string;
  close(): void;
}

/** `fallback`: the commit in place of a tag while there is none. Takes minutes. */
export function buildEarlier(fallback: string): EarlierBuild {
  const asked = process.env['STELE_PREVIOUS'] ?? '';
  if (asked !== '' && existsSync(join(asked, MAIN))) return built(asked, asked, () => undefined);
  const ref = asked || lastTag() || fallback;
  const folder = mkdtempSync(join(tmpdir(), 'stele-earlier-'));
  removeAtEnd(folder);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync('tar', ['x', '-C', folder], { input: archiveOf(ref) });
    installPackages(folder);
    run('npm', ['run', '--silent', 'build'], folder);
    return built(ref, folder, remove);
  } catch (thrown) {
    remove();
    throw thrown;
  }
}

function built(ref: string, folder: string, close: () => void): EarlierBuild {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return { title: `${ref} (${version})`, script: join(folder, MAIN), close };
}

function lastTag(): string {
  return git('tag', '--list', 'v*', '--merged', 'HEAD', '--sort=-version:refname')
    .toString()
    .trim()
    .split('\n')[0]!;
}

function archiveOf(ref: string): Buffer {
  try {
    return git('archive', ref);
  } catch (thrown) {
    const text = `git has no ${ref} here: fetch it, or name an earlier release in STELE_PREVIOUS`;
    throw new Error(text, { cause: thrown });
  }
}

function git(...words: string[]): Buffer {
  return execFileSync('git', ['-C', PROJECT, ...words], {
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Those of this checkout, if they are the same. */
function installPackages(folder: string): void {
  const [own, theirs] = [PROJECT, folder].map((at) =>
    readFileSync(join(at, 'package-lock.json'), 'utf8'),
  );
  if (own !== theirs) run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], folder);
  else symlinkSync(realpathSync(join(PROJECT, 'node_modules')), join(folder, 'node_modules'));
}

function run(program: string, words: readonly string[], folder: string): void {
  const { error, status, stderr, stdout } = spawnSync(program, words, {
    cwd: folder,
    timeout: BUILD_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: 'utf8',
  });
  if (status === 0) return;
  const what = `${[program, ...words].join(' ')} in ${folder} ended with ${status}`;
  throw new Error(`${what}:\n${stdout}${stderr}`, { cause: error });
}
