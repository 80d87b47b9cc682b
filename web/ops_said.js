// The sentences of supervisor and nodes in the reader's language. They say them in English, for the
// command line and the logs as well; what is none of theirs (a database's words, a system error) is
// quoted as it came.

import { language } from "./language.js";
import { html } from "./view.js";

const kOperator = [
  [/^stopped by the operator$/, "由运维人员停止"],
  [/^restarted by the operator$/, "由运维人员重启"],
  [/^its configuration changed$/, "配置已更改"],
  [/^fewer webapps are wanted$/, "减少了 webapp 数量"],
];

const kEnds = [
  ...kOperator,
  [/^exit (\d+)$/, "退出码 $1"],
  [/^(SIG\w+)$/, "$1"],
  [/^signal (\d+)$/, "信号 $1"],
  [/^killed or crashed$/, "被杀死或崩溃"],
  [/^killed by the kernel for want of memory \(its memory group may have (\d+) MiB\)$/,
    "内存不足，被内核杀死（内存组上限 $1 MiB）"],
  [/^killed by the kernel for want of memory \(the machine has no more\)$/,
    "内存不足，被内核杀死（机器内存已用尽）"],
  [/^not started$/, "未能启动"],
  [/^stopped$/, "正常停止"],
  [/^see (log\/\S+)$/, "见 $1"],
  [/^ended by a second signal$/, "收到第二个信号而结束"],
  [/^stopped; an actor was still busy$/, "已停止，当时仍有工作未完成"],
  [/^stopped before the database could be reached$/, "尚未连上数据库就已停止"],
  [/^no heartbeat for ([\d.]+) s$/, "$1 秒没有心跳"],
  [/^did not stop within ([\d.]+) s$/, "$1 秒内没有停止"],
  [/^work waits and nothing moved for ([\d.]+) s$/, "有待办工作，但 $1 秒没有进展"],
];

const kNotes = [
  [/^the guard has ended: a supervisor that ends is not started again;/,
    "守护进程已结束：监督进程若结束将不会重新启动；scripts/start_all.sh 可启动新的守护进程"],
  [/^([\w-]+): nearly all (\d+) file descriptors are in use:/,
    "$1：$2 个文件描述符几乎用尽，新连接会取代空闲连接；请调高 `ulimit -n`"],
  [/^segments of the log are missing in (.+): ([\d, ]+); it was not log\.retain_s/,
    "$1 中缺少日志分段：$2；不是 log.retain_s 删除的。销售继续，但下次启动会拒绝此日志：请先从备份恢复"],
  [/^segments of the log were cut in (.+): ([\d, ]+); somebody has shortened them/,
    "$1 中的日志分段被截短：$2。销售继续，但下次启动会拒绝此日志：请先从备份恢复"],
  [/^the newest snapshot was (?:cut in|removed from) (.+): (snapshot-[\da-f-]+);/,
    "$1 中最新的快照已丢失或被截短：$2；正在由日志重新生成"],
  [/^([\w-]+): no tool can ask: /,
    "$1：运维工具无法连接：admin.sock 的位置被占用；移走占用者后会自动恢复"],
  [/^(.+) is no file of a log$/, "$1 不是日志文件"],
  [/^the log begins at segment (\d+): whether older ones were removed on purpose is not known$/,
    "日志从分段 $1 开始，更早的分段是否被有意删除不得而知"],
  [/^`log replay --all` could not write (\d+) rows, the first of lsn (\d+):/,
    "`log replay --all` 有 $1 行未能写入，第一行的 lsn 为 $2：`stampede verify` 会逐一列出；"
      + "请修复原因，再运行 `scripts/stop_all.sh --keep-db` 和 `stampede log replay --all`"],
  [/^committed rows may be lost when the database's machine crashes: (.+)$/,
    "数据库所在机器崩溃时可能丢失已提交的数据：$1"],
];

const kDatabase = [
  [/^no answer for (\d+) s: the server hangs, waits for a lock or is slow; see SHOW PROCESSLIST$/,
    "$1 秒没有响应：服务器卡死、在等锁或过慢；请看 SHOW PROCESSLIST"],
];

const kRefusals = [
  [/^this supervisor runs no backend \(see --nodes\)$/, "此监督进程没有后端（见 --nodes）"],
  [/^([\w-]+) waits for you: (.+); mend that, then `stampede start`$/,
    "$1 等待人工处理（{2}）；请先修复，再运行 `stampede start`"],
  [/^([\w-]+) was stopped by the operator; `stampede start [\w-]+` starts it$/,
    "$1 已由运维人员停止；`stampede start $1` 可启动它"],
  [/^the system is being stopped; start it again afterwards$/, "系统正在停止，之后请重新启动"],
  [/^configuration or program are being changed; ask again$/, "正在更改配置或程序，请稍后再试"],
  [/^operator\.json in (.+) cannot be written; nothing was changed$/,
    "无法写入 $1 中的 operator.json；没有任何改变"],
  [/^chaos is refused because dev is false;/, "dev 为 false，因此不允许人为破坏"],
  [/^there is no node (\S+)$/, "没有节点 $1"],
  [/^([\w-]+) is \w+; try again later$/, "$1 尚未就绪，请稍后再试"],
  [/^no private database runs in (.+); only one that start_all\.sh started is stopped$/,
    "$1 中没有私有数据库；只能停住由 start_all.sh 启动的数据库"],
  [/^(.+) cannot be written$/, "无法写入 $1"],
  [/^(\d+) commands are open; try again$/, "已有 $1 条命令在等待，请稍后再试"],
  [/^([\w-]+) did not answer in time; it may still do it:/, "$1 没有及时回答，但仍可能执行"],
  [/^this needs the operator:/, "需要运维身份：请打开 `stampede ops` 打印的链接"],
  [/^only this server's own page may ask for that$/, "只有本服务器自己的页面才能这样做"],
  [/^too many actions wait for their answers$/, "等待回答的操作过多"],
  [/^the backend does not serve yet: /, "后端尚未开始服务：日志所在磁盘没有空间"],
  [/^the disk of the command log \(log\.dir\) is full; try again when there is room$/,
    "命令日志（log.dir）所在磁盘已满，有空间后请重试"],
  [/^there is no such item$/, "没有此商品"],
  [/^no backend is serving now; try again$/, "现在没有可用的后端，请稍后再试"],
  [/^the backend is replaying its log; try again$/, "后端正在回放日志，请稍后再试"],
];

// The sentence as { text }, or what nobody here has said as { quote }.
function said(sentence, table) {
  if (language.get() === "en") return { text: sentence };
  for (const [pattern, words] of table) {
    const found = pattern.exec(sentence);
    if (!found) continue;
    const ends = words.replace(/\{(\d)\}/g, (_, at) => textOf(end(found[at])));
    return { text: ends.replace(/\$(\d)/g, (_, at) => found[at]) };
  }
  return { quote: sentence };
}

const textOf = ({ text = "", quote }) => (quote ? `${text}“${quote}”` : text);

export const note = (sentence) => said(sentence, kNotes);
export const refusal = (sentence) => said(sentence, kRefusals);

// "exit 0: stopped by the operator": how, and why if somebody has said it.
export function end(sentence) {
  if (language.get() === "en") return { text: sentence };
  const [, how, why] = /^([^:]+)(?:: (.*))?$/s.exec(sentence) ?? [];
  const first = said(how ?? sentence, kEnds);
  if (first.quote || why === undefined) return first;
  const { text, quote } = said(why, kEnds);
  return text ? { text: `${first.text}：${text}` } : { text: `${first.text}：`, quote };
}

// Ours is { text }; the database's own words are always a quotation.
export function database(sentence) {
  if (!kDatabase.some(([pattern]) => pattern.test(sentence))) return { quote: sentence };
  return said(sentence, kDatabase);
}

export function Said({ text, quote }) {
  return html`${text}${quote && html`<q class="said-by" lang="en">${quote}</q>`}`;
}
