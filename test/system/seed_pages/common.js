// What the two pages beside this file take from elsewhere: the name under which a browser keeps the
// token of a session, and how an item is shown, once a second.

const USER_LOGIN_TOKEN = 'USER_LOGIN_TOKEN';

// Milliseconds until the promo of the item starts, by the clock of the browser. Not every browser
// makes a Date of a text with '-' in it.
const untilStart = () => new Date(g_itemVO.startDate.replace(/-/g, '/')).getTime() - Date.now();

const promoTexts = {
  1: () => `将于${g_itemVO.startDate}开始售卖，倒计时${Math.ceil(untilStart() / 1000)}秒`,
  2: () => '秒杀正在进行中',
  3: () => '秒杀已结束',
};

function reloadDom() {
  for (const name of ['title', 'description', 'price', 'stock', 'sales']) {
    $(`#${name}`).text(g_itemVO[name]);
  }
  $('#imgUrl').attr('src', g_itemVO.imgUrl);
  if (g_itemVO.promoStatus === 1 && untilStart() <= 0) g_itemVO.promoStatus = 2;
  const running = g_itemVO.promoStatus === 2;
  $('#promoPriceContainer').toggle(g_itemVO.promoStatus !== 0);
  $('#normalPriceContainer').toggle(!running);
  $('#promoPrice').text(g_itemVO.promoPrice);
  $('#promoStartDate').text((promoTexts[g_itemVO.promoStatus] || String)());
  $('#createorder').attr('disabled', g_itemVO.promoStatus === 1);
}
