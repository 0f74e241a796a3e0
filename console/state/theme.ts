// Light or dark: as the system says, or as the user has chosen.

import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const STORED = 'stele.theme';
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>(stored());
/** Charts draw their colours by it. */
export const isDark = signal(false);

function stored(): Theme {
  try {
    const text = localStorage.getItem(STORED);
    return THEMES.find((one) => one === text) ?? 'system';
  } catch {
    return 'system';
  }
}

export function nextTheme(present: Theme): Theme {
  return THEMES[(THEMES.indexOf(present) + 1) % THEMES.length] ?? 'system';
}

/** Shows the theme on the document, now and after each change. */
export function followTheme(): void {
  const show = (): void => {
    isDark.value = theme.value === 'dark' || (theme.value === 'system' && prefersDark.matches);
    document.documentElement.dataset['theme'] = isDark.value ? 'dark' : 'light';
  };
  prefersDark.addEventListener('change', show);
  effect(() => {
    show();
    try {
      localStorage.setItem(STORED, theme.value);
    } catch {
      // The choice then ends with the page.
    }
  });
}
