// Who is there: a user with a password, or a token.

import { useState } from 'preact/hooks';
import { basicHeader, bearerHeader } from '../api/login-header.ts';
import { PageTitle, Refusal } from '../parts/small.tsx';
import { logIn } from '../state/session.ts';

type By = 'password' | 'token';

export function LoginPage({ refusal }: { readonly refusal: string }) {
  const [by, setBy] = useState<By>('password');
  const [user, setUser] = useState('');
  const [secret, setSecret] = useState('');
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    await logIn(by === 'password' ? basicHeader(user, secret) : bearerHeader(secret));
    setBusy(false);
  };
  return (
    <main class="centre">
      <form class="card login" onSubmit={(event) => void submit(event)}>
        <PageTitle text="Log in to Stele" />
        <fieldset class="choice">
          <legend>With</legend>
          {(['password', 'token'] as const).map((one) => (
            <label key={one} class="check">
              <input type="radio" name="by" checked={by === one} onChange={() => setBy(one)} />
              {one === 'password' ? 'User and password' : 'Token'}
            </label>
          ))}
        </fieldset>
        {by === 'password' && (
          <label>
            User
            <input
              name="user"
              required
              pattern="[^:]+"
              autocomplete="username"
              autocapitalize="none"
              value={user}
              onInput={(event) => setUser(event.currentTarget.value)}
            />
          </label>
        )}
        <label>
          {by === 'password' ? 'Password' : 'Token'}
          <input
            name="secret"
            type="password"
            required
            autocomplete={by === 'password' ? 'current-password' : 'off'}
            value={secret}
            onInput={(event) => setSecret(event.currentTarget.value)}
          />
        </label>
        <Refusal text={refusal} />
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy}>
            Log in
          </button>
        </div>
        <p class="hint">The login ends with this tab.</p>
      </form>
    </main>
  );
}
