"""What people and programs put around a task: greetings, thanks, signatures, ticket lines. Peeled off before reading.

A sentence goes where each of its words is one that courtesy is made of and one of them is nothing else; never the last
one that is left.
"""

from __future__ import annotations

import re

_MOST = 6  # sentences or lines, at each end
_REACH = 160  # characters that are looked at, at the head
_END_REACH = 80  # and at the end

# Words that make a sentence a courtesy, and words that it may hold besides.
_CORE_WORDS = """
hi hello hey heya hiya yo greetings dear morning afternoon evening welcome thanks thank thx ty tysm cheers please pls
plz kindly sorry apologies regards sincerely best appreciate appreciated grateful help assistance favour favor bother
advance asap hope assistant rush question hallo moin servus guten morgen danke dank vielen bitte entschuldige
entschuldigung hilfe helfen liebe liebes lieber grüße grüßen gruß lg mfg bonjour salut bonsoir merci svp stp désolé
cordialement aider aide hola buenas buenos gracias perdona disculpa saludos ayuda ayudar ayudarme ciao salve
buongiorno buonasera grazie scusa cordiali saluti aiuto aiutarmi olá oi bom obrigado obrigada desculpe abraço
atenciosamente ajuda ajudar hoi goedemorgen goedemiddag bedankt alvast groet groeten alstublieft alsjeblieft helpen
cześć dzień dziękuję dzięki proszę pozdrawiam pomoc pomóc привет здравствуйте добрый спасибо пожалуйста помогите
извините merhaba selam teşekkürler lütfen sağol hej tack snälla hälsningar ahoj dobrý díky děkuji prosím bună
mulțumesc 안녕하세요 감사합니다 고맙습니다 부탁드립니다 수고하십니다 مرحبا شكرا السلام عليكم नमस्ते धन्यवाद कृपया
"""
_FILLER_WORDS = """
a an the i we you u ur your yours my me us it this that these there here with for in on of to and so all at as is are
am be have has had do does did would could can will may need want like one two some any ever once again if when very
really much many lots lot kind kindest warm good nice great day week time team everyone folks sir madam quick question
thing request task message following below out hand moment second minute questions helpful thoughtful careful
carefully think take before answer reply you're youre doing well finds find hope late soon now today tomorrow w/ smth
und im voraus sehr geehrte damen herren du mir mal kurz kannst können sie eine einen frage bitte um ich brauche tag
abend mit freundlichen viele beste die störung das der für de d'avance beaucoup vous tu pouvez peux m' m'aider j'ai
une petite demande s'il plaît te déranger pour muchas mil antemano por para tengo una un pregunta puedes podrías con
esto días tardes noches la molestia mille anticipo molte ho domanda puoi mi il disturbo per muito dia tarde noite
antecipadamente tenho uma pergunta pode o incômodo dobry день большое за заранее вечер утро у меня есть вопрос
"""
_CORE = frozenset(_CORE_WORDS.split())
_FILLER = frozenset(_FILLER_WORDS.split())
_THANKS_WORDS = """
thanks thank thx ty tysm cheers danke dank merci gracias grazie obrigado obrigada bedankt dziękuję dzięki спасибо
teşekkürler sağol tack díky děkuji mulțumesc 감사합니다 고맙습니다 شكرا धन्यवाद 谢谢 谢谢你 多谢
ありがとう ありがとうございます
"""
_THANKS = frozenset(_THANKS_WORDS.split())
_THANKFUL = (
    _CORE | _FILLER | _THANKS | frozenset(["perfect", "great", "awesome", "super", "excellent", "lovely", "bye"])
)
_CLAUSE = re.compile(r"[.!?:,;。！？：，、]+(?=\s|$|[^\x00-\x7f])|\n+")
_WORD = re.compile(r"[^\W\d_](?:[\w'’/]*\w)?/?")
_OPENING = re.compile(
    r"^(?:你好|您好|请问|麻烦你了|谢谢你?|こんにちは|お疲れ様です|すみません|お世話になっております)[，,。！!、：:\s]+"
)
_CLOSING = re.compile(
    r"[\s，。！!、]*(?:谢谢你?|多谢|麻烦了|拜托了|よろしくお願い(?:いた)?します|お願いします|"
    r"ありがとうございます)[。！!~～\s]*$"
)
_SIGN_OFF = re.compile(
    r"(?:(?:best|kind(?:est)?|warm|many)\s+(?:regards|wishes|thanks)|regards|best|cheers|sincerely|thanks|thx|"
    r"lg|vg|mfg|"
    r"(?:viele|liebe|beste) grüße|mit freundlichen grüßen|cordialement|saludos|saluti|abraços?|pozdrawiam|groetjes?)"
    r"\s*[,!.]?(?:\s+(?:[^\W\d_]+\.?\s*){1,3})?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[^\W\d_]+[.,]?\s*){0,5}")
# Lines that say where a task comes from: time stamps, ticket numbers, rulers, mail footers.
_STAMP = re.compile(
    r"\[?\(?\d{4}-\d\d-\d\d[T ,][\d:.]+[^\n]{0,40}$|[-_=*~#]{3,}\s*$|\s*$|--\s*$|"
    r"(?:sent (?:from my|via)|get outlook)\b|"
    r"\W{0,4}(?:ticket|case|ref|queue|priority|channel|thread|session|trace|id|date|time)\W{0,4}[\w:#.-]{1,20}\W{0,4}$",
    re.IGNORECASE,
)


def peel(text: str) -> str:
    """The text without courtesies and stamps at its ends; the text itself where nothing else would be left."""
    peeled = _shorn(_stamps(text))
    return peeled or text


def is_thanks(text: str) -> bool:
    """Whether nothing is said but thanks: whatever came before is over."""
    if len(text) > _END_REACH:
        return False
    words = [found[0].lower() for found in _WORD.finditer(text)]
    return any(word in _THANKS for word in words) and all(word in _THANKFUL for word in words)


def _stamps(text: str) -> str:
    lines = text.split("\n") if "\n" in text else [text]
    if len(lines) == 1:
        return text
    start, end = 0, len(lines)
    while start < end - 1 and start < _MOST and _STAMP.match(lines[start]):
        start += 1
    while end > start + 1 and len(lines) - end < _MOST and _STAMP.match(lines[end - 1]):
        end -= 1
    return text if (start, end) == (0, len(lines)) else "\n".join(lines[start:end])


def _shorn(text: str) -> str:
    if not text.isascii():
        text = _OPENING.sub("", text)
        text = text[:-_END_REACH] + _CLOSING.sub("", text[-_END_REACH:])
    text = _unsigned(text)
    for _ in range(_MOST):
        end = _CLAUSE.search(text, 0, _REACH)
        if end is None or not _courteous(text[: end.start()]) or not _WORD.search(text, end.end()):
            break
        text = text[end.end() :].lstrip()
    for _ in range(_MOST):
        start = _last_clause(text)
        if start == 0 or not (_courteous(text[start:]) or _SIGN_OFF.fullmatch(text[start:].strip())):
            break
        text = text[:start].rstrip()
    return text


def _unsigned(text: str) -> str:
    """Without a signature in lines of its own: a parting word, then perhaps a name."""
    end = len(text)
    for _ in range(3):
        start = text.rfind("\n", max(0, end - _END_REACH), end)
        if start < 0:
            return text
        line = text[start + 1 : end].strip()
        if _SIGN_OFF.fullmatch(line):
            return text[:start].rstrip()
        if not _NAME.fullmatch(line):
            return text
        end = start
    return text


def _last_clause(text: str) -> int:
    """Where the last sentence begins; 0 where there is but one in reach."""
    offset = max(0, len(text) - _END_REACH)
    last = 0
    for found in _CLAUSE.finditer(text, offset, max(offset, len(text.rstrip()) - 1)):
        if found[0] not in (",", ":", "，", "、"):
            last = found.end()
    return last


def _courteous(sentence: str) -> bool:
    core = False
    for found in _WORD.finditer(sentence):
        word = found[0].lower()
        if word in _CORE:
            core = True
        elif word not in _FILLER:
            return False
    return core
