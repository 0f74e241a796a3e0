// `stele version`: what this program is: its version, the commit it was built from, the Node.js that runs it,
// and the formats that it reads and writes.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { settingsOf } from '../../../base/config.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { outputOption } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';

const GIT_DEADLINE_MS = 1_000;
const COMMIT_CHARACTERS = 12;

export const definition = defineVerb({
  name: 'version',
  operands: '',
  schema: settingsOf({ output: outputOption }),
  examples: ['stele version', 'stele version -o json', 'stele --version'],
  async run({ settings: { values }, output }) {
    const [commit, { SEGMENT_FORMATS }, { BACKUP_FORMATS }] = await Promise.all([
      commitOf(packageFolder()),
      import('../../../datanode/storage/segment-formats.ts'),
      import('../../../master/metadata/backup.ts'),
    ]);
    const about = {
      version: STELE_VERSION,
      commit,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      formats: {
        segment: SEGMENT_FORMATS,
        catalog_backup: BACKUP_FORMATS,
      },
    };
    const { catalog_backup: backup, segment } = about.formats;
    await printResult(output, values.output, about, () =>
      [
        `stele     ${about.version}${commit === null ? '' : `, commit ${commit}`}`,
        `node      ${about.node}`,
        `platform  ${about.platform}`,
        `formats   segments: writes ${segment.written}, reads ${segment.read.join(', ')}`,
        `          backups of the catalog: writes ${backup.written}, reads ${backup.read.join(', ')}`,
      ].join('\n'),
    );
    return EXIT_OK;
  },
});

/** The folder of this package's package.json: the checkout, or the installed package. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder);
  }
  return folder;
}

/** The commit of a published package, or that of a checkout; null if it is not known. */
async function commitOf(folder: string): Promise<string | null> {
  try {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const { gitHead } = JSON.parse(text) as { gitHead?: string };
    if (gitHead !== undefined) return gitHead.slice(0, COMMIT_CHARACTERS);
    // Otherwise the commit would be that of a repository around this package.
    if (!existsSync(join(folder, '.git'))) return null;
    const words = ['-C', folder, 'rev-parse', `--short=${COMMIT_CHARACTERS}`, 'HEAD'];
    const { stdout } = await promisify(execFile)('git', words, { timeout: GIT_DEADLINE_MS });
    return stdout.trim() || null;
  } catch {
    return null;
  }
}
