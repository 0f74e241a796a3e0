// Lints the contracts and generates proto/gen from them: `npm run proto`.
// With --check it only compares: a generated file that is stale or edited by hand is an error.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const binaries = join(folder, '..', 'node_modules', '.bin');
const environment = { ...process.env, PATH: `${binaries}:${process.env['PATH']}` };

function buf(...args) {
  execFileSync(join(binaries, 'buf'), args, { cwd: folder, env: environment, stdio: 'inherit' });
}

/** Generates everything into `output`. */
function generate(output) {
  buf('generate', '--output', output);
  for (const file of filesBelow(join(output, 'gen'))) {
    const root = relative(dirname(file), output);
    writeFileSync(file, withoutCopies(readFileSync(file, 'utf8'), root));
  }
  // Descriptors of Stele's own services, for server reflection and for programs in other languages.
  const descriptors = join(output, 'gen', 'stele.binpb');
  buf('build', '--path', 'stele', '--output', descriptors, '--as-file-descriptor-set');
}

/** Bytes are viewed where they lie, not copied; and our stricter compiler flags are not for this code. */
function withoutCopies(code, root) {
  const viewed = code
    .replaceAll('Buffer.from(reader.bytes())', 'bufferView(reader.bytes())')
    .replace(/Buffer\.from\((\w+\.encode\(value\)\.finish\(\))\)/g, 'bufferView($1)');
  const head = viewed === code ? '' : `import { bufferView } from "${root}/buffer-view.ts";\n`;
  return `// @ts-nocheck\n${head}${viewed}`;
}

function filesBelow(root) {
  return readdirSync(root, { recursive: true })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile());
}

function sameFolders(left, right) {
  const contents = (root) =>
    filesBelow(root).map((path) => `${relative(root, path)}\0${readFileSync(path, 'latin1')}`);
  return JSON.stringify(contents(left).sort()) === JSON.stringify(contents(right).sort());
}

buf('lint');
if (process.argv.includes('--check')) {
  const temporary = mkdtempSync(join(tmpdir(), 'stele-proto-'));
  generate(temporary);
  const same = sameFolders(join(temporary, 'gen'), join(folder, 'gen'));
  rmSync(temporary, { recursive: true });
  if (!same) {
    console.error('proto/gen is not what the .proto files give: run `npm run proto`.');
    process.exit(1);
  }
} else {
  generate(folder);
}
