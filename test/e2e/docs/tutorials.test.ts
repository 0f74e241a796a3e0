// Runs the commands of the tutorials, in order, each against a new cluster.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDoc } from '../../docs/markdown.ts';
import { DOC_TOOLS, DocCluster, docSteps } from '../../support/doc-steps.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import { hasTool } from '../../support/tools.ts';

const missing = DOC_TOOLS.filter((tool) => !hasTool(tool, tool));
const pages = readdirSync(join(PROJECT, 'docs', 'tutorials'))
  .map((name) => ({ name, steps: docSteps(readDoc(`docs/tutorials/${name}`)) }))
  .filter(({ steps }) => steps.length > 0);

describe.skipIf(missing.length > 0).each(pages)('$name', ({ steps }) => {
  let cluster: DocCluster;

  beforeAll(async () => {
    cluster = await DocCluster.start();
  }, 90_000);

  afterAll(async () => {
    expect(await cluster.close()).toMatchObject({ code: 0 });
  });

  test.each(steps.map((step, index) => ({ ...step, number: index + 1 })))(
    '$number: $command',
    ({ command, expected }) => {
      const { status, stderr, stdout } = cluster.run(command);
      expect({ status, stderr }).toMatchObject({ status: 0 });
      for (const text of expected) expect(stdout).toContain(text);
    },
  );
});
