// The usual chain: the first that is there counts.
//
//     1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//     2. AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN (EKS)
//     3. the profile AWS_PROFILE of ~/.aws/credentials and ~/.aws/config
//     4. the container's credentials service (ECS, EKS Pod Identity)
//     5. the instance's metadata (IMDSv2), unless AWS_EC2_METADATA_DISABLED=true

import type { Time } from '../../../base/clock.ts';
import { SteleError } from '../../../base/errors.ts';
import { RenewedCredentials } from './credentials.ts';
import type { CredentialSource, S3Credentials } from './credentials.ts';
import { readProfile } from './profile.ts';
import type { Environment, Profile } from './profile.ts';
import { containerCredentials, instanceCredentials, webIdentityCredentials } from './services.ts';

/** The settings of a profile that say where other credentials come from. */
const ELSEWHERE = ['sso_session', 'sso_start_url', 'credential_process', 'source_profile'] as const;

export function credentialChain(environment: Environment, time: Time): CredentialSource {
  return new RenewedCredentials(() => findCredentials(environment), time);
}

/** The region of the environment or the profile. */
export async function regionOf(environment: Environment): Promise<string | undefined> {
  const named = environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
  if (named !== undefined && named !== '') return named;
  return (await readProfile(environment)).settings.get('region');
}

async function findCredentials(environment: Environment): Promise<S3Credentials> {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
    AWS_SESSION_TOKEN: sessionToken,
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ROLE_ARN: arn,
  } = environment;
  if (accessKeyId !== '' && secretAccessKey !== '') {
    const from = 'the environment (AWS_ACCESS_KEY_ID)';
    return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined, from };
  }
  if (tokenFile !== undefined && arn !== undefined) {
    const session = environment['AWS_ROLE_SESSION_NAME'] ?? 'stele';
    const role = { arn, tokenFile, session };
    return webIdentityCredentials(role, environment, await regionOf(environment));
  }
  const profile = await readProfile(environment);
  const ofProfile = await profileCredentials(profile, environment);
  if (ofProfile !== undefined) return ofProfile;
  const hasAgent = ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  if (hasAgent.some((name) => environment[name] !== undefined)) {
    return containerCredentials(environment);
  }
  if (environment['AWS_EC2_METADATA_DISABLED'] === 'true') throw noCredentials();
  return instanceCredentials(environment).catch((thrown: unknown) => {
    throw noCredentials(thrown);
  });
}

async function profileCredentials(
  { name, settings }: Profile,
  environment: Environment,
): Promise<S3Credentials | undefined> {
  const from = `profile '${name}'`;
  const [accessKeyId, secretAccessKey] = [
    settings.get('aws_access_key_id'),
    settings.get('aws_secret_access_key'),
  ];
  const [arn, tokenFile] = [settings.get('role_arn'), settings.get('web_identity_token_file')];
  if (arn !== undefined && tokenFile !== undefined) {
    const session = settings.get('role_session_name') ?? 'stele';
    const region = await regionOf(environment);
    return webIdentityCredentials({ arn, tokenFile, session }, environment, region);
  }
  const elsewhere = ELSEWHERE.find((setting) => settings.has(setting));
  if (elsewhere !== undefined) {
    throw new SteleError(
      'PERMISSION_DENIED',
      `${from} has ${elsewhere}, which Stele does not follow; run \`eval "$(aws configure export-credentials --format env)"\` first.`,
    );
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: settings.get('aws_session_token'), from };
}

function noCredentials(cause?: unknown): SteleError {
  return new SteleError(
    'PERMISSION_DENIED',
    'There are no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role (container, instance, web identity).',
    { cause },
  );
}
