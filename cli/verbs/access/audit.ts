// `stele audit`: changes and refused attempts at the doors of the masters, newest first.
//
// Each process has its own log, so every master of --master is asked.

import { addressList } from '../../../base/address.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { toSteleError } from '../../../base/errors.ts';
import type { AuditEntry } from '../../../proto/gen/stele/v1/cluster.ts';
import { auditJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000;

export const definition = defineVerb({
  name: 'audit',
  operands: '',
  schema: settingsOf({
    limit: option.count('number of entries, newest first', LIMIT_DEFAULT, {
      min: 1,
      max: LIMIT_MAX,
    }),
    who: option.text('only what this user did or tried', '', { placeholder: 'USER' }),
    keyspace: option.text('only what was about this keyspace', '', { placeholder: 'KEYSPACE' }),
    ...listingOptions,
  }),
  examples: ['stele audit', 'stele audit --who alice --limit 10', 'stele audit -o json'],
  async run({ settings: { values }, output }) {
    const { keyspace, limit, who: user } = values;
    const answers = await Promise.allSettled(
      addressList(values.master).map((master) =>
        withAdmin({ ...values, master }, (admin) => admin.listAudit({ limit, user, keyspace })),
      ),
    );
    const failed = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [toSteleError(answer.reason)] : [],
    );
    const [failure] = failed;
    if (failure !== undefined && failed.length === answers.length) throw failure;
    for (const { message } of failed) output.errorLine(message);
    const found = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value.entries : [],
    );
    const rows = found.sort((left, right) => (left.time < right.time ? 1 : -1)).slice(0, limit);
    if (values.output === 'json') printJson(output, rows.map(auditJson));
    else if (rows.length === 0) output.line('Nothing is recorded yet.');
    else output.line(formatTable(COLUMNS, rows.map(toCells)));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'TIME' },
  { title: 'WHO' },
  { title: 'FROM' },
  { title: 'DOOR' },
  { title: 'WHAT' },
  { title: 'KEYSPACE' },
  { title: 'ABOUT' },
  { title: 'RESULT' },
  { title: 'COUNT', align: 'right' },
] as const;

function toCells(entry: AuditEntry): string[] {
  return [
    entry.time,
    entry.who,
    entry.from,
    entry.door,
    entry.what,
    entry.keyspace || '-',
    entry.about || '-',
    entry.result,
    String(entry.count),
  ];
}
