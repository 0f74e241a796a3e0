// `stele keyspaces`: lists the keyspaces, and how much each holds.

import { formatBytes } from '../../../base/units.ts';
import type { KeyspaceSummary, Repairing } from '../../../proto/gen/stele/v1/cluster.ts';
import { keyspacesJson } from '../../../proto/json-shapes.ts';
import { tellNoLeader } from '../../no-leader.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { settingsOf } from '../../../base/config.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

export const definition = defineVerb({
  name: 'keyspaces',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele keyspaces', 'stele keyspaces -o json'],
  async run({ settings: { values }, output }) {
    const response = await withAdmin(values, (admin) => admin.listKeyspaces());
    const rows = response.keyspaces;
    tellNoLeader(output, response);
    if (values.output === 'json') printJson(output, keyspacesJson(response));
    else if (rows.length === 0)
      output.line('No keyspaces yet; `stele load KEYSPACE FILE` makes one.');
    else {
      output.line(
        formatTable(
          COLUMNS,
          rows.map((row) => toCells(row, response.noLeader !== undefined)),
        ),
      );
      for (const { name, repairing } of rows) {
        if (repairing !== undefined) output.line(describeRepair(name, repairing));
      }
    }
    return EXIT_OK;
  },
});

function describeRepair(name: string, repairing: Repairing): string {
  const { attempts, error, from, needsPerson, nextRetryAt } = repairing;
  const tries = `${counted(attempts, 'try', 'tries')}, the next at ${nextRetryAt}`;
  const call = needsPerson ? ' It will not recover by itself: somebody has to look.' : '';
  return `${name} is being repaired (${from.toLowerCase()}): ${error}; ${tries}.${call}`;
}

const COLUMNS = [
  { title: 'KEYSPACE' },
  { title: 'INDEX', align: 'right' },
  { title: 'STATE' },
  { title: 'VERSION', align: 'right' },
  { title: 'RECORDS', align: 'right' },
  { title: 'DATA', align: 'right' },
  { title: 'SEGMENTS', align: 'right' },
  { title: 'COPIES', align: 'right' },
  { title: 'DIGEST' },
] as const;

function toCells(row: KeyspaceSummary, isLastView: boolean): string[] {
  const ofLeader = (cell: string): string => (isLastView ? '-' : cell);
  return [
    row.name,
    String(row.index),
    row.state.toLowerCase(),
    row.currentVersion === 0 ? '-' : String(row.currentVersion),
    formatCount(row.records),
    ofLeader(formatBytes(row.keyBytes + row.valueBytes)),
    ofLeader(formatBytes(row.segmentBytes)),
    ofLeader(String(row.replication)),
    row.digest.length === 0 ? '-' : row.digest.toString('hex'),
  ];
}
