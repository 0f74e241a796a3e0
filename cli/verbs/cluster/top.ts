// `stele top`: reads a second, found keys, latency and memory, by datanode and by keyspace.

import { option, settingsOf } from '../../../base/config.ts';
import { clientOptions, outputOption } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatReport, SORTS } from '../../top/frame.ts';
import { reportOnce, showLive } from '../../top/run-top.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'top',
  operands: '',
  schema: settingsOf({
    interval: option.duration('how often, and over how long a rate is taken', '2s', {
      min: 100,
      max: 3_600_000,
    }),
    once: option.flag('print one report, as without a terminal'),
    sort: option.choice('the order: by name, or the largest first', SORTS, 'name'),
    ...clientOptions,
    output: outputOption,
  }),
  examples: ['stele top', 'stele top --interval 500ms --sort reads', 'stele top --once -o json'],
  run: ({ settings: { values }, output }) =>
    withAdmin(values, async (admin) => {
      const { interval: intervalMs, once, output: form, sort } = values;
      if (output.isTerminal && !once && form === 'table') {
        return showLive(admin, { output, intervalMs, sort, input: process.stdin });
      }
      const report = await reportOnce(admin, intervalMs);
      await printResult(output, form, report, () => formatReport(report, sort, output.paint));
      return EXIT_OK;
    }),
});
