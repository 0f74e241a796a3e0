// `stele nodes`: the datanodes, as the master sees them.

import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { nodesJson } from '../../../proto/json-shapes.ts';
import { tellNoLeader } from '../../no-leader.ts';
import { formatNodes } from '../../node-table.ts';
import { settingsOf } from '../../../base/config.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'nodes',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele nodes', 'stele nodes -o json'],
  async run({ settings: { values }, output }) {
    const response = await withAdmin(values, (admin) => admin.listNodes());
    if (values.output === 'json') printJson(output, nodesJson(response));
    else if (response.nodes.length === 0) output.line('No datanode has joined yet.');
    else output.line(formatNodes(output, response));
    tellNoLeader(output, response);
    return EXIT_OK;
  },
});
