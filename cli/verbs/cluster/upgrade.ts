// `stele upgrade check`: whether the processes of a cluster may be replaced by this release now,
// one at a time.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { shorten } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { formatFindings, found } from '../../doctor/finding.ts';
import type { Finding } from '../../doctor/finding.ts';
import { nodeVersion, dateOfToday } from '../../doctor/machine.ts';
import { checkVariables } from '../../doctor/variables.ts';
import { EXIT_FAILED, EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { readSettingsFile } from '../../settings-sources.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';

const ACTIONS = ['check'];

export const definition = defineVerb({
  name: 'upgrade',
  operands: '<action>',
  actions: ACTIONS,
  schema: settingsOf({
    back: option.flag('this release is older than what runs, on purpose'),
    ...resultOptions,
  }),
  examples: [
    'stele upgrade check',
    'stele upgrade check --master 10.0.0.5:8400 --config /etc/stele/stele.yaml',
    'stele upgrade check -o json',
  ],
  judgesFile: true,
  async run({ operands: [action = ''], settings: { values }, global, output }) {
    if (!ACTIONS.includes(action)) throw unknownAction(action);
    const [{ checkSettings }, { checkUpgrade }] = await Promise.all([
      import('../../upgrade/settings.ts'),
      import('../../upgrade/check.ts'),
    ]);
    const parts = await Promise.all([
      found('Node.js', () => [nodeVersion({ node: process.versions.node, today: dateOfToday() })]),
      found('settings', async () => {
        const verbs = await global.loadAllVerbs();
        const file = await readSettingsFile(global.configPath);
        return [
          ...checkVariables(global.environment, verbs, global.configPath),
          ...checkSettings(file, global.environment, verbs),
        ];
      }),
      checkUpgrade(values, values.back),
    ]);
    const findings = parts.flat();
    const isSafe = findings.every(({ level }) => level !== 'fail');
    await printResult(
      output,
      values.output,
      findings,
      () => `${formatFindings(findings, output.paint)}\n${verdict(isSafe, findings)}`,
    );
    return isSafe ? EXIT_OK : EXIT_FAILED;
  },
});

function verdict(isSafe: boolean, findings: readonly Finding[]): string {
  if (!isSafe) return `Do not replace processes by ${STELE_VERSION} now.`;
  const isClean = findings.every(({ level }) => level === 'ok');
  const condition = isClean ? '' : ', once you have looked at the above';
  return `Processes may be replaced by ${STELE_VERSION}, one at a time${condition}: datanodes, masters, query nodes, then clients.`;
}

function unknownAction(action: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `stele upgrade takes check, and not '${shorten(action)}'${didYouMean(action, ACTIONS)}.`,
  );
}
