// The eyes and hands of a test in a page: does what GET /deed says next, and tells what is to be
// seen. An alert is told before the script behind it goes on, as it would wait for a person.

(() => {
  const tell = (what) => {
    const request = new XMLHttpRequest();
    request.open('POST', '/told', false);
    request.send(JSON.stringify(what));
  };
  window.alert = (text) => tell({ alert: text });

  const texts = ['title', 'description', 'price', 'stock', 'sales', 'promoPrice',
    'promoStartDate'];
  const seen = () => {
    const look = { path: location.pathname, at: Date.now() };
    for (const name of texts) look[name] = document.getElementById(name)?.textContent.trim();
    look.disabled = document.getElementById('createorder')?.disabled;
    look.token = localStorage.getItem(USER_LOGIN_TOKEN);
    return look;
  };

  const deeds = {
    fill: (name, value) => { document.getElementById(name).value = value; },
    click: (name, times = 1) => {
      for (let i = 0; i < times; ++i) document.getElementById(name).click();
    },
    keep: (token) => localStorage.setItem(USER_LOGIN_TOKEN, token),
    forget: () => localStorage.removeItem(USER_LOGIN_TOKEN),
    go: (url) => { location.href = url; },
    look: () => tell({ seen: seen() }),
  };

  const work = async () => {
    for (;;) {
      const deed = await (await fetch('/deed', { cache: 'no-store' })).json();
      if (deed) deeds[deed[0]](...deed.slice(1));
      else await new Promise((done) => { setTimeout(done, 30); });
    }
  };
  window.addEventListener('load', () => {
    tell({ page: location.pathname });
    work();
  });
  window.addEventListener('error', (event) => tell({ fault: event.message }));
})();
