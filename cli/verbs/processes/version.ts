// `stele version`: what this program is: its version, the commit it was built from, the Node.js that runs it,
// and the formats that it reads and writes. With --cluster also the release of every master and datanode.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { option, settingsOf } from '../../../base/config.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK, reportNotice } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatTable } from '../../text-table.ts';
import { processesOf } from '../../upgrade/releases.ts';
import type { RunningProcess } from '../../upgrade/releases.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { ConnectSettings } from '../../with-admin.ts';
import { releaseText } from '../../words.ts';

const GIT_DEADLINE_MS = 1_000;
const COMMIT_CHARACTERS = 12;

export const definition = defineVerb({
  name: 'version',
  operands: '',
  schema: settingsOf({
    cluster: option.flag('also the release of every master and datanode'),
    ...resultOptions,
  }),
  examples: [
    'stele version',
    'stele version --cluster --master 10.0.0.5:8400',
    'stele version -o json',
    'stele --version',
  ],
  async run({ settings: { values }, output }) {
    const [commit, { SEGMENT_FORMATS }, { BACKUP_FORMATS }, processes] = await Promise.all([
      commitOf(packageFolder()),
      import('../../../datanode/storage/segment-formats.ts'),
      import('../../../master/metadata/backup.ts'),
      values.cluster ? processesAt(values) : [],
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
    const cluster = processes.map(({ name, release, role }) => ({
      role,
      name,
      release: release ?? null,
    }));
    const result = values.cluster ? { ...about, cluster } : about;
    await printResult(output, values.output, result, () =>
      [
        `stele     ${about.version}${commit === null ? '' : `, commit ${commit}`}`,
        `node      ${about.node}`,
        `platform  ${about.platform}`,
        `formats   segments: writes ${segment.written}, reads ${segment.read.join(', ')}`,
        `          backups of the catalog: writes ${backup.written}, reads ${backup.read.join(', ')}`,
        ...(values.cluster ? ['', releasesTable(processes)] : []),
      ].join('\n'),
    );
    const others = processes.filter(({ release }) => release !== STELE_VERSION);
    if (others.length > 0) {
      const which = others.map((one) => `${one.title} runs ${releaseText(one)}`).join(', ');
      reportNotice(
        output,
        `This is ${STELE_VERSION}; ${which}. \`stele upgrade check\` tells whether they may be replaced now.`,
        values.output === 'json',
      );
    }
    return EXIT_OK;
  },
});

function processesAt(settings: ConnectSettings): Promise<RunningProcess[]> {
  return withAdmin(settings, async (admin) => {
    const [masters, nodes] = await Promise.all([admin.listMasters(), admin.listNodes()]);
    return processesOf(masters, nodes, settings.master);
  });
}

function releasesTable(processes: readonly RunningProcess[]): string {
  const columns = [{ title: 'PROCESS' }, { title: 'RELEASE' }];
  return formatTable(
    columns,
    processes.map((one) => [one.title, releaseText(one)]),
  );
}

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
