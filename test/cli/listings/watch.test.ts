import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { watch } from '../../../cli/listings/watch.ts';
import type { WatchOptions } from '../../../cli/listings/watch.ts';
import { RecordingOutput } from '../recording-output.ts';

/** Watches `answers`, one a question, and interrupts at the end of them; an error is thrown. */
async function watched(
  form: WatchOptions['form'],
  answers: readonly (string | SteleError)[],
  output = new RecordingOutput(),
) {
  let asked = 0;
  const code = await watch({ output, form, intervalMs: 1 }, async () => {
    const answer = answers[asked++];
    if (asked > answers.length) process.emit('SIGINT', 'SIGINT');
    if (answer instanceof SteleError) throw answer;
    return answer ?? 'never shown';
  });
  return { code, stdout: output.stdout, stderr: output.stderr };
}

const away = new SteleError('UNAVAILABLE', 'No master answers.');

describe('watch', () => {
  it('prints an answer again only if it has changed, and ends with 130', async () => {
    const done = await watched('json', ['[1]', '[1]', '[1]', '[2]', '[2]', '[1]']);
    expect(done).toEqual({ code: 130, stdout: '[1]\n[2]\n[1]\n', stderr: '' });
  });

  it('writes documents of YAML, and tables with an empty line between them', async () => {
    expect((await watched('yaml', ['a: 1', 'a: 2'])).stdout).toBe('a: 1\n---\na: 2\n');
    expect((await watched('table', ['A\n1', 'A\n2'])).stdout).toBe('A\n1\n\nA\n2\n');
  });

  it('tells once that the master is away, and goes on when it is back', async () => {
    const done = await watched('json', ['[1]', away, away, '[1]', '[2]', away, '[2]']);
    const notice = '{"notice":{"message":"No master answers."}}\n';
    expect(done).toEqual({ code: 130, stdout: '[1]\n[2]\n', stderr: notice + notice });
    const told = await watched('table', ['A', away, 'A']);
    expect(told.stderr).toBe('stele: No master answers.\n');
  });

  it('fails if the first question has no answer, and at any other error', async () => {
    await expect(watched('json', [away])).rejects.toBe(away);
    const denied = new SteleError('PERMISSION_DENIED', 'No.');
    await expect(watched('json', ['[1]', denied])).rejects.toBe(denied);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  it('redraws a terminal in place, and leaves the last answer', async () => {
    const output = new RecordingOutput(true);
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
    const done = await watched('table', ['A\n1', away, lines.join('\n')], output);
    expect(done.code).toBe(130);
    const [first, second, third, after] = done.stdout.split('\u001B[H').slice(1);
    expect(first).toBe('A\u001B[K\r\n1\u001B[K\u001B[J');
    expect(second).toContain('No master answers.');
    expect(third).toContain('line 22\u001B[K\r\n... 7 more lines');
    expect(after).toBeUndefined();
    expect(done.stdout).toMatch(/\[[?]1049l[^]*line 0\n[^]*line 29\n$/);
  });
});
