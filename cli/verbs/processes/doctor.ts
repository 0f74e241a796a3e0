// `stele doctor`: looks at everything that commonly goes wrong, and says what to do.

import { option, settingsOf } from '../../../base/config.ts';
import { openFilesMax } from '../../../base/process/descriptors.ts';
import { usableMemoryBytes } from '../../../base/process/usable-memory.ts';
import { clientOptions, outputOption } from '../../client-settings.ts';
import { checkFolder } from '../../doctor/folder.ts';
import { formatFindings, found } from '../../doctor/finding.ts';
import { checkMachine, readSystemFile, dateOfToday } from '../../doctor/machine.ts';
import { checkPorts } from '../../doctor/ports.ts';
import { checkVariables } from '../../doctor/variables.ts';
import { EXIT_FAILED, EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'doctor',
  operands: '',
  schema: settingsOf({
    dataDir: option.text('data folder to look at', '.stele', { placeholder: 'folder' }),
    host: option.text('address that the ports are opened on', '127.0.0.1', {
      placeholder: 'address',
    }),
    httpPort: option.port('HTTP port to look at', 9000),
    respPort: option.port('RESP port to look at', 7379),
    grpcPort: option.port('gRPC port to look at', 8400),
    ...clientOptions,
    output: outputOption,
  }),
  examples: [
    'stele doctor',
    'stele doctor --master 10.0.0.5:8400 --user alice --password-file alice.password',
    'stele doctor --data-dir /var/lib/stele -o json',
  ],
  async run({ settings: { sources, values }, global, output }) {
    const { grpcPort, host, httpPort, respPort } = values;
    const [{ checkTls }, { checkCluster }] = await Promise.all([
      import('../../doctor/tls.ts'),
      import('../../doctor/cluster.ts'),
    ]);
    const { findings: ofTls, tls } = checkTls(values);
    const isAsked = sources.get('master') !== 'default';
    const parts = await Promise.all([
      found('machine', () => checkMachine(thisMachine())),
      found('settings', async () =>
        checkVariables(global.environment, await global.loadAllVerbs(), global.configPath),
      ),
      found('data folder', () => checkFolder(values.dataDir)),
      found('ports', () =>
        checkPorts(host, [
          { flag: 'http-port', port: httpPort },
          { flag: 'resp-port', port: respPort },
          { flag: 'grpc-port', port: grpcPort },
        ]),
      ),
      found('cluster', () => checkCluster(values, isAsked, tls)),
    ]);
    const findings = [...parts.flat(), ...ofTls];
    await printResult(output, values.output, findings, () =>
      formatFindings(findings, output.paint),
    );
    return findings.some(({ level }) => level === 'fail') ? EXIT_FAILED : EXIT_OK;
  },
});

function thisMachine() {
  return {
    node: process.versions.node,
    today: dateOfToday(),
    openFilesMax: openFilesMax(),
    usableMemoryBytes: usableMemoryBytes(),
    overcommit: readSystemFile('/proc/sys/vm/overcommit_memory'),
  };
}
