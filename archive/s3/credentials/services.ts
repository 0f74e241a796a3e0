// Credentials that a service issues for a while: STS (web identity, as in EKS), the agent of a
// container (ECS, EKS), and the metadata of an instance (IMDSv2).

import { readFile } from 'node:fs/promises';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { textIn } from '../xml.ts';
import { credentialsIn } from './credentials.ts';
import type { S3Credentials } from './credentials.ts';
import type { Environment } from './profile.ts';

const ANSWER_MS_MAX = 5000;
/** Elsewhere than on an instance of EC2, nobody answers. */
const INSTANCE_MS_MAX = 1000;
const TOKEN_SECONDS = '21600';
const ANSWER_CHARACTERS_MAX = 300;
/** The agents of ECS and EKS, and loopback. */
const AGENT_HOSTS =
  /^(?:localhost|127(?:[.]\d+){3}|\[::1\]|169[.]254[.]170[.](?:2|23)|\[fd00:ec2::23\])$/;

/** Exchanges the token in a file for credentials of a role. */
export async function webIdentityCredentials(
  role: { readonly arn: string; readonly tokenFile: string; readonly session: string },
  environment: Environment,
  region: string | undefined,
): Promise<S3Credentials> {
  const from = `role ${role.arn} by the token in ${role.tokenFile}`;
  const token = await readFile(role.tokenFile, 'utf8').catch((thrown: unknown) => {
    throw denied(`${role.tokenFile} (AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read`, thrown);
  });
  const host = region === undefined ? 'sts.amazonaws.com' : `sts.${region}.amazonaws.com`;
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.arn,
    RoleSessionName: role.session,
    WebIdentityToken: token.trim(),
  });
  const endpoint = environment['AWS_ENDPOINT_URL_STS'] ?? `https://${host}`;
  const answer = await textFrom(new URL('/', endpoint), { method: 'POST', body }, from);
  return credentialsIn(
    JSON.stringify({
      AccessKeyId: textIn(answer, 'AccessKeyId'),
      SecretAccessKey: textIn(answer, 'SecretAccessKey'),
      Token: textIn(answer, 'SessionToken'),
      Expiration: textIn(answer, 'Expiration'),
    }),
    from,
  );
}

/** From AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI. */
export async function containerCredentials(environment: Environment): Promise<S3Credentials> {
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const full = environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '';
  const text = relative === undefined ? full : `http://169.254.170.2${relative}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && !AGENT_HOSTS.test(url.hostname))) {
    throw denied(
      `AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or name the agent of a container`,
    );
  }
  const file = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
  const token =
    file === undefined
      ? environment['AWS_CONTAINER_AUTHORIZATION_TOKEN']
      : (await readFile(file, 'utf8')).trim();
  const headers = token === undefined ? undefined : { authorization: token };
  const from = "the container's credentials service";
  return credentialsIn(await textFrom(url, { ...(headers && { headers }) }, from), from);
}

/** From the metadata of the EC2 instance. */
export async function instanceCredentials(environment: Environment): Promise<S3Credentials> {
  const from = "the instance's metadata";
  const base = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254';
  const ask = (path: string, init: RequestInit): Promise<string> =>
    textFrom(new URL(path, base), init, from, INSTANCE_MS_MAX);
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': TOKEN_SECONDS };
  const token = await ask('/latest/api/token', { method: 'PUT', headers: ttl });
  const headers = { 'x-aws-ec2-metadata-token': token };
  const path = '/latest/meta-data/iam/security-credentials/';
  const role = (await ask(path, { headers })).trim().split('\n')[0] ?? '';
  return credentialsIn(await ask(path + encodeURIComponent(role), { headers }), from);
}

async function textFrom(
  url: URL,
  init: RequestInit,
  from: string,
  timeoutMs = ANSWER_MS_MAX,
): Promise<string> {
  let answer: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    answer = await fetch(url, { ...init, redirect: 'error', signal });
    text = await answer.text();
  } catch (thrown) {
    throw denied(`No S3 credentials come from ${from}: ${toSteleError(thrown).message}`, thrown);
  }
  if (answer.ok) return text;
  const why = textIn(text, 'Message') ?? text.slice(0, ANSWER_CHARACTERS_MAX);
  throw denied(`No S3 credentials come from ${from}: ${answer.status} ${why}`);
}

function denied(text: string, cause?: unknown): SteleError {
  return new SteleError('PERMISSION_DENIED', `${text.replace(/[.]$/, '')}.`, { cause });
}
