// `stele verify`: checks every checksum, count and digest of segment files, without a running
// cluster.

import { existsSync } from 'node:fs';
import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import type { VerifiedFile } from '../../../datanode/storage/verify-files.ts';
import { outputOption } from '../../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../../exit.ts';
import { serialized } from '../../result.ts';
import type { Output } from '../../output.ts';
import { formatCount } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'verify',
  operands: '[file...]',
  schema: settingsOf({
    dataDir: option.optionalText('check every segment in this data folder', {
      placeholder: 'folder',
    }),
    output: outputOption,
  }),
  examples: ['stele verify some/file.seg', 'stele verify --data-dir .stele'],
  async run({ operands, settings, output }) {
    const { namedFile, verifyFiles, segmentFilesIn } =
      await import('../../../datanode/storage/verify-files.ts');
    const { dataDir, output: form } = settings.values;
    // If files are named, a data folder from stele.yaml is ignored.
    const fromFolder = operands.length === 0 || settings.sources.get('dataDir') === 'flag';
    if (operands.length === 0 && dataDir === undefined) {
      throw new SteleError('INVALID_ARGUMENT', 'Name segment files, or a folder with --data-dir.');
    }
    for (const path of operands) {
      if (existsSync(path)) continue;
      throw new SteleError('INPUT_NOT_FOUND', `There is no file ${path}; check its name.`);
    }
    const inFolder = dataDir !== undefined && fromFolder ? await segmentFilesIn(dataDir) : [];
    const report =
      form === 'table' ? peopleReport(output, operands.length > 0) : programReport(output, form);
    let count = 0;
    let badCount = 0;
    for await (const file of verifyFiles([...operands.map(namedFile), ...inFolder])) {
      report.file(file);
      count++;
      if (file.error !== undefined) badCount++;
    }
    await report.end(count, badCount);
    return badCount === 0 ? EXIT_OK : EXIT_FAILED;
  },
});

interface Report {
  file(file: VerifiedFile): void;
  end(count: number, badCount: number): void | Promise<void>;
}

/** `namesAll` adds a line for each good file; for a whole folder only bad ones get a line. */
function peopleReport(output: Output, namesAll: boolean): Report {
  return {
    file: ({ path, error }) => {
      if (error === undefined) {
        if (namesAll) output.line(`ok       ${path}`);
        return;
      }
      const word = error.code === 'CORRUPT' ? 'DAMAGED' : 'FAILED';
      output.line(`${output.paint('red', word.padEnd(7))}  ${path}: ${error.message}`);
    },
    end: (count, badCount) => {
      output.line(
        count === 0
          ? 'There are no segment files.'
          : `${formatCount(count)} checked, ${formatCount(badCount)} bad.`,
      );
    },
  };
}

function programReport(output: Output, form: 'json' | 'yaml'): Report {
  const files: unknown[] = [];
  return {
    file: ({ path, error }) => {
      const reason = error === undefined ? {} : { code: error.code, error: error.message };
      files.push({ path, ok: error === undefined, ...reason });
    },
    end: async () => output.line(await serialized(form, files)),
  };
}
