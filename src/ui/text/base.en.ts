// English texts of what every part of the page uses.

const base = {
  'base.unreachable': 'The box cannot be reached.',
  'base.unreachable.remedy': 'Check the network and try again.',
  'base.close': 'Close',
  'base.cancel': 'Cancel',
};

export default base;
