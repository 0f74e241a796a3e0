// Data folders that the user of a process may not use, tested with processes of an unprivileged
// user.

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ANY_PORTS, PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;
/** `nobody`. */
const OTHER = { uid: 65_534, gid: 65_534 };
const UID = '0123456789abcdef';

/** What a stopped process leaves, as far as its next start reads it; folders end in a slash. */
const LEFT = {
  master: ['LOCK', 'metadata/', 'metadata/data.mdb', 'metadata/lock.mdb'],
  datanode: ['LOCK', 'incoming/', 'incoming/part', `segments/`, `segments/${UID}/`, 'quarantine/'],
};

function leftFolder(role: keyof typeof LEFT): string {
  const folder = join(tempDir(), 'data');
  const paths = [folder, ...LEFT[role].map((name) => join(folder, name))];
  mkdirSync(folder);
  for (const path of paths.slice(1)) {
    if (path.endsWith('/')) mkdirSync(path);
    else writeFileSync(path, '');
  }
  if (isRoot) for (const path of [dirname(folder), ...paths]) chownSync(path, OTHER.uid, OTHER.gid);
  return folder;
}

const CASES: [keyof typeof LEFT, string, number][] = [
  ['datanode', '', 0o555],
  ['datanode', 'incoming', 0o555],
  ['datanode', 'incoming', 0o000],
  ['datanode', 'segments', 0o555],
  ['datanode', `segments/${UID}`, 0o000],
  ['datanode', 'quarantine', 0o555],
  ['master', '', 0o555],
  ['master', 'metadata', 0o555],
  ['master', 'metadata', 0o000],
  ['master', 'metadata/data.mdb', 0o444],
  // lmdb would end the process with SIGSEGV.
  ['master', 'metadata/lock.mdb', 0o444],
];

it.each(CASES)(
  "a %s that may not use '%s' in its data folder (mode %i) says so",
  (role, name, mode) => {
    const folder = leftFolder(role);
    const path = join(folder, name);
    chmodSync(path, mode);
    const words = role === 'datanode' ? ['--id', 'a', '--master', '127.0.0.1:1'] : [];
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(PROJECT, 'dist/cli/main.js'), role, ...words, '--data-dir', folder, ...ANY_PORTS],
      { encoding: 'utf8', timeout: 20_000, ...(isRoot ? OTHER : {}) },
    );
    // Allows the folder to be removed.
    chmodSync(path, 0o700);
    expect(stderr).toMatch(
      /^stele: .* cannot be used \(EACCES\): the user .*; give that user access/m,
    );
    expect(stderr).toContain(path.replace(/\/$/, ''));
    expect(status).toBe(1);
  },
);
