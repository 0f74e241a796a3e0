import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseScenario, rewriteScenario, runScenario } from './scenario-runner.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
const SCENARIOS_MIN = 40;
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

describe('the control plane, by scenario', () => {
  for (const name of files.sort()) {
    const path = join(FOLDER, name);
    const text = readFileSync(path, 'utf8');
    const scenario = parseScenario(text);
    test(`${name.replace(/\.txt$/, '')}: ${scenario.title}`, () => {
      const said = runScenario(scenario);
      if (process.env['STELE_SCENARIOS'] === 'write') {
        writeFileSync(path, rewriteScenario(text, said));
        return;
      }
      expect(said).toEqual(scenario.steps.map(({ expected }) => expected));
    });
  }
});

test('there are scenarios enough, and each says what it shows and asks something', () => {
  expect(files.length).toBeGreaterThanOrEqual(SCENARIOS_MIN);
  for (const name of files) {
    const { steps, title } = parseScenario(readFileSync(join(FOLDER, name), 'utf8'));
    expect(title, name).toMatch(/\.$/);
    expect(
      steps.some(({ expected }) => expected.length > 0),
      name,
    ).toBe(true);
  }
});
