// `stele versions KS`: lists the versions of a keyspace that are kept, and which one is read.

import { keyspaceName, shorten } from '../../../base/ids.ts';
import { formatBytes } from '../../../base/units.ts';
import type { VersionSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { versionJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { settingsOf } from '../../../base/config.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

/** The table cuts longer inputs; `-o json` has them in full. */
const INPUT_CHARACTERS_MAX = 100;

export const definition = defineVerb({
  name: 'versions',
  operands: '<keyspace>',
  schema: settingsOf(listingOptions),
  examples: ['stele versions prices', 'stele versions prices -o json'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const response = await withAdmin(values, (admin) => admin.listVersions(keyspace));
    const rows = response.versions;
    if (values.output === 'json') printJson(output, rows.map(versionJson));
    else if (rows.length === 0) output.line(`${keyspace} has no version yet.`);
    else output.line([formatTable(COLUMNS, rows.map(toCells)), ...rejections(rows)].join('\n'));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'VERSION', align: 'right' },
  { title: 'CURRENT' },
  { title: 'STATE' },
  { title: 'RECORDS', align: 'right' },
  { title: 'DATA', align: 'right' },
  { title: 'DELTAS', align: 'right' },
  { title: 'COMMITTED' },
  { title: 'SOURCE' },
  { title: 'DIGEST' },
  { title: 'BECAME CURRENT' },
  { title: 'INPUT' },
] as const;

/** A sentence for each version that its gate rejected. */
function rejections(rows: readonly VersionSummary[]): string[] {
  return rows
    .filter(({ reason, state }) => state === 'REJECTED' && reason !== '')
    .map(({ reason, version }) => `version ${version} was rejected: ${reason}`);
}

function toCells(row: VersionSummary): string[] {
  return [
    String(row.version),
    row.current ? 'current' : row.rollbackTarget ? 'before' : '',
    row.state.toLowerCase(),
    formatCount(row.records),
    formatBytes(row.keyBytes + row.valueBytes),
    String(row.deltas),
    row.committedAt,
    row.source,
    row.digest.toString('hex'),
    row.currentSince === '' ? '-' : `${row.currentSince}, ${row.currentBy}`,
    shorten(row.input, INPUT_CHARACTERS_MAX),
  ];
}
