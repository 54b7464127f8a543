"""Closed word lists for reading a conversation, lower case, over fifteen languages."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _starts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CLOSING = _words(  # nothing is asked
    """
    thanks thank thx ty cheers bye goodbye great perfect awesome nice cool lovely excellent brilliant
    appreciated works worked wonderful amazing danke dank dankeschön vielen tschüss super prima klasse perfekt toll
    bedankt dankjewel merci beaucoup parfait génial au revoir gracias muchas perfecto genial adiós obrigado
    obrigada perfeito ótimo valeu grazie mille perfetto ottimo ciao dziękuję dzięki dzięks спасибо отлично супер
    пока teşekkürler teşekkür sağol mükemmel شكرا شكراً धन्यवाद शुक्रिया tack takk kiitos
    """
)
GO_ON = _words(  # everything is inherited
    """
    yes yep yeah y ok okay k sure continue proceed go ahead on carry keep going next do it them commit push
    merge ship deploy apply run retry submit send save finish resume approved approve agreed lgtm ja jawohl mach
    machen weiter weitermachen fortfahren los einverstanden committe ausführen genau doe ga door oui vas allez
    continuez fais faites accord envoie sí si sigue continúa continua adelante hazlo dale vale hágalo claro sim
    prossiga pode fazer faça manda va bene procedi vai avanti fallo certo tak kontynuuj dalej zrób да давай
    продолжай продолжайте дальше сделай хорошо коммить запускай evet devam et tamam yap نعم تابع استمر حسنا हाँ
    हां जारी रखें रखो करो
    """
)
RESUME = _words(  # opens a message that goes on with what was asked
    """
    continue proceed resume weiter mach continuez poursuis continúa sigue continua prossiga vai ga kontynuuj
    продолжай продолжайте devam
    """
)
FILLER = _words(  # says nothing by itself
    """
    please pls plz so much very that this is was a lot you the for your help all good now then and looks look
    sounds just i we it's that's one more step with those these up really again me my sir lovely hi hey oh well
    done job fine right exactly too both there to of bitte das ist sehr für die der den hilfe dann jetzt es gut
    nun mal doch auch sieht aus s'il vous te plaît pour votre ton aide c'est est très bien ça y tout d le la les
    et por favor tu su ayuda está muy todo lo que e sua ajuda tudo isso o de con per il tuo aiuto molto tutto
    così proszę bardzo za pomoc jest пожалуйста за помощь очень всё это так и çok için yardım lütfen her şey
    """
)
SAME = _words(  # adds to what it inherits
    """
    same again also likewise rest remaining others another second third other genauso nochmal auch restlichen
    pareil reste autres aussi mismo resto otros mesmo outros stesso altri samo reszta снова остальные также
    aynısını
    """
)
COURTESY = _words(  # greets or asks for help in general
    """
    hi hello hey there dear team all everyone folks good morning afternoon evening day please kindly could
    can would will you help me us with this that something i i'm we have got a an the question quick favor
    favour need want like to ask sorry bother if may thanks thank in advance hope are doing well so much for
    your time hallo guten tag morgen abend liebe lieber kannst du mir bitte helfen ich habe eine frage
    bonjour salut bonsoir peux tu pouvez vous m'aider j'ai une s'il te plaît hola buenos días buenas tardes
    puedes ayudarme por tengo una pregunta olá oi bom dia boa tarde pode ajudar buongiorno ciao puoi
    aiutarmi per favore привет здравствуйте добрый день помоги помогите мне пожалуйста merhaba selam lütfen
    yardım 你好 您好 こんにちは 안녕하세요
    """
)
DEICTIC = _words(  # points at a text
    """
    this these following below text sentence sentences paragraph passage email e-mail mail message letter
    article document contract transcript log logs snippet note notes words phrase code file review essay
    abstract poem json csv list dies diese diesen dieser dieses folgenden folgende satz absatz brief nachricht
    vertrag artikel protokoll ce cet cette ces suivant suivante texte paragraphe lettre courriel contrat este
    esta estos siguiente texto frase párrafo carta correo artículo contrato documento seguinte parágrafo artigo
    questo questa seguente testo paragrafo lettera articolo contratto ten ta tekst zdanie akapit artykuł umowa
    этот эту это следующий следующее текст предложение абзац письмо статью договор bu şu metni metin cümle
    cümleyi paragraf deze dit volgende zin alinea
    """
)
TEXT_WORK = _words(  # opens an ask that works on a text
    """
    summarise summarize summary translate proofread correct rewrite rephrase paraphrase shorten extract classify
    label tag fix convert format sort count spell tl dr title übersetze fasse korrigiere kürze traduis résume
    corrige traduce resume acorta traduz traduza corrija traduci riassumi correggi vertaal przetłumacz popraw
    переведи исправь сократи çevir özetle düzelt
    """
)
HARNESS_TAGS = _words(  # blocks that a harness adds
    """
    system-reminder system_reminder environment_context environment_details env user_instructions command-name
    command-message command-args local-command-stdout local-command-stderr local-command-caveat ide_selection
    ide_opened_file additional_data attached_files open_and_recently_viewed_files user_info rules project_layout
    git_status cursor_rules permissions developer_instructions available_skills skills reminder reminders
    tool_reminder context_window current_time timestamp automated_reminder_from_anthropic task-notification
    agents_md new_diagnostics system system_prompt system_message tool_catalog tools functions
    instructions_for_assistant
    """
)
TASK_TAGS = _words(  # blocks that hold the request
    """
    task user_query query question request user_request prompt instruction instructions goal objective ask user
    user_message
    """
)
WIDE_CLOSING = _starts(
    """
    谢谢 多谢 感谢 謝謝 ありがと どうも 感謝 감사 고마 고맙 再见 完美 太好了 さようなら
    """
)
WIDE_GO_ON = _starts(
    """
    继续 好的 好 可以 是的 提交 请继续 对 執行 执行 続けて はい お願いします 進めて
    コミットして そうして 네 예 계속 진행 좋아 커밋 그렇게
    """
)
WIDE_DEICTIC = _starts(
    """
    以下 下面 这段 这封 这句 这个 次の この 下記 다음 아래
    """
)
