// `stele datanode`: one datanode process.

import { datanodeSettings } from '../../../datanode/settings.ts';
import { runRole } from '../../run-role.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'datanode',
  operands: '',
  schema: datanodeSettings,
  logLevel: 'info',
  stdoutIsLog: true,
  examples: [
    'stele datanode --id node-0 --master 127.0.0.1:8400 --data-dir /var/lib/stele/node-0',
    'stele datanode --id node-1 --master 10.0.0.5:8400 --zone b --memory-max 8GiB',
  ],
  async run({ settings: { values }, global, output }) {
    const [{ startDatanode }, { createLogger }] = await Promise.all([
      import('../../../datanode/server.ts'),
      import('../../../base/log.ts'),
    ]);
    const log = createLogger('datanode', global, { node: values.id });
    const start = async () => {
      const running = await startDatanode(values, { log, onRestart: endSelf, isAlone: true });
      const title = `datanode ${running.nodeId}`;
      const { address, reopenLogs } = running;
      return { title, address, reopenLogs, close: () => running.close() };
    };
    return runRole(start, output, log);
  },
});

/**
 * Ends the process as an operator would: in order, completing what is in progress (run-role.ts).
 */
function endSelf(): void {
  process.kill(process.pid, 'SIGTERM');
}
