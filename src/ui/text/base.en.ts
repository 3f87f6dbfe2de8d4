// English texts of what every part of the page uses.

const base = {
  'base.unreachable': 'The box cannot be reached.',
  'base.unreachable.remedy': 'Check the network and try again.',
  'base.device.not-kept': 'This browser does not keep the key.',
  'base.device.not-kept.remedy': 'Remove the device again, and try without a private window.',
  'base.device.lost': 'This browser has lost the key that made it a trusted device.',
  'base.device.lost.remedy': 'Sign out and in again: another trusted device can let it in.',
  'base.close': 'Close',
  'base.cancel': 'Cancel',
};

export default base;
