// The files of AWS's tools: ~/.aws/credentials and ~/.aws/config (AWS_SHARED_CREDENTIALS_FILE,
// AWS_CONFIG_FILE), of which the profile AWS_PROFILE counts (default: `default`).

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SteleError, systemErrorCode } from '../../../base/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Profile {
  readonly name: string;
  /** The settings of both files; those of the credentials file win. */
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * Throws INVALID_ARGUMENT for a file that cannot be read, and for a profile that is named and not
 * there.
 */
export async function readProfile(environment: Environment): Promise<Profile> {
  const { AWS_CONFIG_FILE, AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, HOME } = environment;
  const folder = join(HOME ?? homedir(), '.aws');
  const name = AWS_PROFILE ?? environment['AWS_DEFAULT_PROFILE'] ?? 'default';
  const config = await sectionsOf(AWS_CONFIG_FILE ?? join(folder, 'config'));
  const secrets = await sectionsOf(AWS_SHARED_CREDENTIALS_FILE ?? join(folder, 'credentials'));
  const parts = [config.get(`profile ${name}`) ?? config.get(name), secrets.get(name)];
  const isThere = parts.some((part) => part !== undefined);
  if (!isThere && AWS_PROFILE !== undefined) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `AWS_PROFILE names the profile '${name}', which is in neither ~/.aws/credentials nor ~/.aws/config; correct it, or unset it.`,
    );
  }
  return { name, settings: new Map(parts.flatMap((part) => [...(part ?? [])])) };
}

type Sections = Map<string, Map<string, string>>;

async function sectionsOf(path: string): Promise<Sections> {
  try {
    return parseIni(await readFile(path, 'utf8'));
  } catch (thrown) {
    const code = systemErrorCode(thrown) ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return new Map();
    throw new SteleError('INVALID_ARGUMENT', `${path} cannot be read (${code}).`, {
      cause: thrown,
    });
  }
}

/**
 * `[section]` lines and `name = value` lines; indented lines are nested settings, which nothing
 * here needs.
 */
function parseIni(text: string): Sections {
  const sections: Sections = new Map();
  let section = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const head = /^\[\s*([^\]]*?)\s*\]/.exec(line)?.[1];
    if (head !== undefined) {
      const name = head.replace(/\s+/g, ' ').replaceAll('"', '');
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const [, name, value] = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) section.set(name.toLowerCase(), value);
  }
  return sections;
}
