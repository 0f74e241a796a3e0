import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/**
 * Files that have a process of their own: they look at what belongs to a whole process (memory, sockets, threads).
 * The others take turns in the processes of the workers, as the start of a process and its loading of modules cost
 * more than most of them.
 */
const ALONE = [
  'base/process/free-memory',
  'cli/commands',
  'cli/data-folders',
  'cli/processes',
  'cli/repl',
  'cli/restart-all',
  'cli/supervised-process',
  'cli/up',
  'docs/client',
  'docs/package',
  'docs/readme',
  'e2e/nodes/descriptors',
  'loader/stopped',
  'loader/work/work-list',
  'master/nodes/leaving',
  'routing/view-watcher',
  'transport/grpc-dial',
].map((name) => `test/${name}.test.ts`);

for (const file of ALONE) {
  if (!existsSync(file)) throw new Error(`vitest.config.ts names ${file}, which does not exist.`);
}

/** Files that start clusters or borrow one (`TestCluster.borrow`), and run commands in the same `steleShared`. */
const CLUSTERS = ['test/e2e/main/*.test.ts', 'test/conformance/*.test.ts'];
/** The same, for `npm run test:e2e`: too long for `npm test`. */
const E2E = ['test/e2e/**/*.test.ts'];

/** Globs that this run leaves out (.ci/nodes.mjs). `--exclude` does not reach projects that have an `exclude`. */
const LEFT_OUT = (process.env['STELE_TEST_EXCLUDE'] ?? '').split(' ').filter(Boolean);

/**
 * A worker's process is kept only from one file to the next of the same project. Many short files at the end leave
 * no worker idle.
 */
class ByProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return ['alone', 'clusters', 'e2e', 'shared'].flatMap((name) =>
      sorted.filter(({ project }) => project.name === name),
    );
  }
}

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only make the end-to-end tests wait for each other.
    maxWorkers: 2,
    pool: 'forks',
    sequence: { sequencer: ByProject },
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE, exclude: LEFT_OUT } },
      {
        extends: true,
        test: {
          name: 'clusters',
          include: CLUSTERS,
          exclude: [...ALONE, ...LEFT_OUT],
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: E2E,
          exclude: [...ALONE, ...CLUSTERS, ...LEFT_OUT],
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...ALONE,
            ...CLUSTERS,
            ...E2E,
            'test/faults/**',
            'test/simulation/**',
            ...LEFT_OUT,
          ],
          isolate: false,
        },
      },
    ],
  },
});
