import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import type { TestProjectConfiguration } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/**
 * Files that have a process of their own: they look at what belongs to a whole process (memory,
 * sockets, threads). The others take turns in the processes of the workers, as the start of a
 * process and its loading of modules cost more than most of them.
 */
const ALONE = testFiles(
  'base/process/free-memory',
  'cli/commands',
  'cli/repl',
  'cli/restart-all',
  'docs/readme',
  'loader/stopped',
  'loader/work/work-list',
  'master/nodes/leaving',
  'routing/view-watcher',
  'transport/grpc-dial',
);
/** The same, of `npm run test:e2e`. */
const E2E_ALONE = testFiles(
  'e2e/cli/data-folders',
  'e2e/cli/processes',
  'e2e/cli/supervised-process',
  'e2e/cli/up',
  'e2e/docs/client',
  'e2e/docs/package',
  'e2e/nodes/descriptors',
);
/**
 * Files that start clusters or borrow one (`TestCluster.borrow`), and run commands in the same
 * `steleShared`.
 */
const CLUSTERS = ['test/e2e/main/*.test.ts', 'test/conformance/*.test.ts'];
/** The same, for `npm run test:e2e`: too long for `npm test`. */
const E2E = ['test/e2e/**/*.test.ts'];

function testFiles(...names: string[]): string[] {
  const paths = names.map((name) => `test/${name}.test.ts`);
  for (const path of paths) {
    if (!existsSync(path)) throw new Error(`vitest.config.ts names ${path}, which does not exist.`);
  }
  return paths;
}

/**
 * Globs that this run leaves out (.ci/nodes.mjs). `--exclude` does not reach projects that have an
 * `exclude`.
 */
const LEFT_OUT = (process.env['STELE_TEST_EXCLUDE'] ?? '').split(' ').filter(Boolean);

/**
 * A worker's process is kept only from one file to the next of the same project. Many short files
 * at the end leave no worker idle.
 */
class ByProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return ['alone', 'clusters', 'shared', 'e2e-alone', 'e2e'].flatMap((name) =>
      sorted.filter(({ project }) => project.name === name),
    );
  }
}

export default defineConfig({
  test: {
    // Suites of a CI run transform the same files, which costs each of them 20 s.
    experimental: { fsModuleCache: process.env['CI'] === 'true' },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only make the end-to-end tests wait for each other.
    maxWorkers: 2,
    pool: 'forks',
    sequence: { sequencer: ByProject },
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE, exclude: LEFT_OUT } },
      { extends: true, test: { name: 'e2e-alone', include: E2E_ALONE, exclude: LEFT_OUT } },
      inTurns('clusters', CLUSTERS, LEFT_OUT),
      inTurns('e2e', E2E, [...E2E_ALONE, ...CLUSTERS, ...LEFT_OUT]),
      inTurns(
        'shared',
        ['test/**/*.test.ts'],
        [...ALONE, ...CLUSTERS, ...E2E, 'test/{faults,simulation}/**', ...LEFT_OUT],
        // They wait for a quarter of their time. With another number of workers they come last.
        { maxWorkers: 3, sequence: { groupOrder: 1 } },
      ),
    ],
  },
});

/** A project whose files take turns in the processes of the workers. */
function inTurns(
  name: string,
  include: string[],
  exclude: string[],
  more: { maxWorkers?: number; sequence?: { groupOrder: number } } = {},
): TestProjectConfiguration {
  return { extends: true, test: { name, include, exclude, isolate: false, ...more } };
}
