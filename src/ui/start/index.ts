// What the rest of the page may use of this folder.

export { openAccount } from './account';
export { showClaim } from './claim';
export { openKeys } from './keys';
export { forgetRestored, restoredWord } from './restore';
export { type Locked, showSignIn } from './signin';
export { showStart } from './start';
export type { QuickTarget, StartOptions, StartPage } from './start';
