"""What the generated mail says: people, subjects and sentences in a dozen languages, all written here.

A Language names the charsets that mail in it really comes in; every text below fits each of them.
"""
import typing


class Language(typing.NamedTuple):
    code: str
    charsets: tuple[str, ...]
    wrote: str                 # the line above a quote; {date} and {name}
    reply: str                 # the prefix of an answer's subject
    greeting: str              # {name}
    closing: str
    people: tuple[tuple[str, str], ...]
    subjects: tuple[str, ...]
    sentences: tuple[str, ...]


ENGLISH = Language(
    "en", ("us-ascii", "utf-8", "iso-8859-1", "us-ascii"), "On {date}, {name} wrote:", "Re: ", "Hi {name},", "Best regards",
    (("Jane Doe", "jane.doe@example.com"), ("Tom Becker", "tom@becker.example"),
     ("Priya Raman", "priya.raman@example.org"), ("O'Neil, Sam", "sam.oneil@example.net"),
     ("Alex (Facilities)", "alex@facilities.example.com"), ("", "lee@example.com")),
    ("Quarterly report", "Lunch on Thursday?", "Minutes of the planning meeting", "Keys for the new office",
     "Question about invoice 20{n}", "Draft of the lease, version {n}", "Photos from the weekend",
     "Train tickets to Lyon", "[team] Release {n}.2 is out", "Who has the projector?", "Budget: please check row {n}",
     "Out of office until Monday", "Re-routing the water pipe", "Fwd: Parking permits", "Interview notes (candidate {n})"),
    ("I have attached the figures that we talked about on Tuesday.",
     "Could you have a look before noon? After that I am on the train.",
     "The heating engineer comes on the {n}th, between eight and ten.",
     "We agreed to move the deadline by two weeks, not by one.",
     "Nobody seems to know where the second projector went.",
     "If the price stays under {n}00 euros, please go ahead and order it.",
     "Thank you for the quick answer, that settles it.",
     "There is one open question: who signs for the delivery?",
     "The test run took {n} minutes longer than the one before.",
     "I would rather keep the old room; it has windows.",
     "Let me know when the parcel arrives and I will come down.",
     "Row {n} of the table still shows last year's number.",
     "From what I can see the leak is behind the third panel.",
     "The next meeting is on Wednesday, same time, same place.",
     "Please don't forward this yet, the numbers are not final.",
     "It worked at once after a restart, so I left it at that."))

GERMAN = Language(
    "de", ("utf-8", "iso-8859-1", "windows-1252"), "Am {date} schrieb {name}:", "AW: ", "Hallo {name},", "Viele Grüße",
    (("Jürgen Müller", "j.mueller@beispiel.example"), ("Änne Groß", "aenne.gross@example.de.example"),
     ("Bürgeramt Mitte", "termine@amt.example"), ("Weiß, Käthe", "kaethe@example.org")),
    ("Rechnung für März", "Übergabe der Schlüssel", "Rückfrage zum Angebot {n}", "Prüfung der Brandmelder am {n}.",
     "Einladung zur Hausversammlung", "Straßenfest: wer hilft mit?"),
    ("Die Unterlagen liegen seit gestern im Büro.", "Können wir den Termin auf {n} Uhr verschieben?",
     "Die Lieferung kommt erst nächste Woche, schließlich ist Feiertag.", "Bitte prüfen Sie die Zählerstände noch einmal.",
     "Für die Küche brauchen wir noch {n} Stühle.", "Das größte Problem ist nach wie vor der Lärm.",
     "Ich habe die Zahlen geändert und neu verschickt."))

FRENCH = Language(
    "fr", ("utf-8", "iso-8859-15", "windows-1252"), "Le {date}, {name} a écrit :", "RE: ", "Bonjour {name},", "Cordialement",
    (("Hélène Lefèvre", "helene@exemple.example"), ("François Noël", "f.noel@example.org"),
     ("Mairie du 9e", "contact@mairie.example")),
    ("Réunion reportée à jeudi", "Votre reçu n° {n}", "Dîner de fin d'année", "Clés du garage", "Où est la clé à molette ?"),
    ("Le plombier passera vers {n} heures.", "Merci d'avoir répondu si vite.", "La facture a déjà été réglée.",
     "Il reste {n} places, dépêchez-vous !", "J'ai oublié mes lunettes à l'hôtel.", "On se retrouve à la gare, côté sud."))

SPANISH = Language(
    "es", ("utf-8", "iso-8859-1"), "El {date}, {name} escribió:", "RE: ", "Hola, {name}:", "Un saludo",
    (("Íñigo Peña", "inigo@ejemplo.example"), ("María José Núñez", "mj.nunez@example.org")),
    ("¿Quedamos mañana?", "Actualización del contrato {n}", "Fotos del cumpleaños", "Avería en el ascensor"),
    ("El técnico llegará el día {n} por la mañana.", "¿Podéis confirmar antes del viernes?", "La reunión será en la sala pequeña.",
     "No encuentro el año en la última página.", "Según el informe, sobran {n} sillas."))

POLISH = Language(
    "pl", ("utf-8", "iso-8859-2"), "W dniu {date} {name} napisał(a):", "Odp: ", "Dzień dobry, {name}!", "Pozdrawiam",
    (("Łukasz Żółw", "lukasz@przyklad.example"), ("Małgorzata Śliwińska", "m.sliwinska@example.org")),
    ("Zażółć gęślą jaźń", "Faktura nr {n}", "Spotkanie przełożone", "Części do roweru"),
    ("Paczka dotrze w ciągu {n} dni.", "Proszę sprawdzić załącznik.", "Dziękuję za szybką odpowiedź.",
     "Klucze leżą na półce obok wejścia.", "Może spotkamy się później?"))

GREEK = Language(
    "el", ("utf-8", "iso-8859-7"), "Στις {date}, {name} έγραψε:", "Απ: ", "Γεια σου {name},", "Με εκτίμηση",
    (("Ελένη Παπαδοπούλου", "eleni@paradeigma.example"), ("Νίκος Ιωάννου", "nikos@example.org")),
    ("Τιμολόγιο {n}", "Συνάντηση την Τετάρτη", "Καλοκαιρινές διακοπές"),
    ("Το πλοίο φεύγει στις {n} το πρωί.", "Ευχαριστώ για την απάντηση.", "Τα κλειδιά είναι στο γραφείο.",
     "Μπορείς να στείλεις ξανά το αρχείο;"))

RUSSIAN = Language(
    "ru", ("koi8-r", "utf-8", "windows-1251"), "{date}, {name} пишет:", "Ответ: ", "Здравствуйте, {name}!", "С уважением",
    (("Иван Петров", "ivan@primer.example"), ("Ольга Кузнецова", "olga@example.org")),
    ("Счёт за март", "Перенос встречи", "Вопрос по договору {n}", "Фотографии с дачи"),
    ("Посылка придёт через {n} дней.", "Спасибо за быстрый ответ.", "Ключи лежат на столе у входа.",
     "Подскажите, пожалуйста, номер заказа.", "Совещание перенесли на среду."))

JAPANESE = Language(
    "ja", ("iso-2022-jp", "utf-8", "iso-2022-jp"), "{date} {name}:", "Re: ", "{name} 様", "よろしくお願いいたします",
    (("山田 太郎", "yamada@rei.example"), ("佐藤 花子", "sato@example.org")),
    ("会議の日程について", "請求書 {n} の件", "お花見のお知らせ"),
    ("資料を添付しましたのでご確認ください。", "会議は{n}日の午後三時からです。", "お返事ありがとうございました。",
     "鍵は受付に預けてあります。"))

CHINESE = Language(
    "zh", ("gb18030", "utf-8", "gb2312"), "{date},{name} 写道:", "回复: ", "{name},你好:", "祝好",
    (("王小明", "wang@lizi.example"), ("李静", "li.jing@example.org")),
    ("会议改期通知", "第 {n} 号发票", "周末的照片"),
    ("包裹大约{n}天后到。", "谢谢你的快速回复。", "钥匙放在前台。", "请在星期五之前确认。"))

TAIWANESE = Language(
    "zh-TW", ("big5", "utf-8"), "{name} 於 {date} 寫道:", "回覆: ", "{name} 您好:", "敬祝 平安",
    (("陳美玲", "chen@lizi.example"), ("林志豪", "lin@example.org")),
    ("會議改期通知", "第 {n} 號發票", "週末的照片"),
    ("包裹大約{n}天後到。", "謝謝您的快速回覆。", "鑰匙放在櫃台。", "請在星期五之前確認。"))

ARABIC = Language(
    "ar", ("utf-8", "windows-1256"), "في {date} كتب {name}:", "رد: ", "مرحبا {name}،", "مع التحية",
    (("ليلى حسن", "layla@mithal.example"), ("يوسف عمر", "yousef@example.org")),
    ("موعد الاجتماع", "الفاتورة رقم {n}", "صور العطلة"),
    ("سيصل الطرد خلال {n} أيام.", "شكرا على الرد السريع.", "المفاتيح في المكتب."))

HEBREW = Language(
    "he", ("utf-8", "windows-1255", "iso-8859-8"), "בתאריך {date} כתב {name}:", "תגובה: ", "שלום {name},", "בברכה",
    (("נועה לוי", "noa@dugma.example"), ("יואב כהן", "yoav@example.org")),
    ("מועד הפגישה", "חשבונית {n}", "תמונות מהטיול"),
    ("החבילה תגיע בעוד {n} ימים.", "תודה על התשובה המהירה.", "המפתחות במשרד."))

EMOJI = ENGLISH._replace(
    charsets=("utf-8",), closing="Cheers 👋",
    people=(("Zoë 🌸", "zoe@example.com"), ("👩‍🚀 Mae", "mae@example.org")),
    subjects=("Party 🎉🎉", "🚲 ride on Sunday?", "It's a boy 👶🏽", "Coffee ☕ or tea 🍵"),
    sentences=ENGLISH.sentences + ("See you there 😀", "The team 👨‍👩‍👧‍👦 says thanks ❤️"))

# A mailbox is mostly in one language; the rest is what makes charsets meet.
WEIGHTED = ((ENGLISH, 50), (GERMAN, 12), (FRENCH, 7), (SPANISH, 5), (POLISH, 3), (GREEK, 2), (RUSSIAN, 4), (JAPANESE, 4),
            (CHINESE, 4), (TAIWANESE, 2), (ARABIC, 2), (HEBREW, 2), (EMOJI, 3))

SHOPS = (("Bergland Outdoor", "news@bergland.example"), ("The Paper Mill", "hello@papermill.example"),
         ("Fahrradladen am Tor", "laden@tor.example"), ("Kitchen & Co", "offers@kitchen-co.example"),
         ("Weekly Compiler Digest", "digest@compilers.example"))
OFFERS = ("New tents, lighter than ever", "{n}% off until Sunday", "Issue {n}: what changed this week", "Your basket misses you",
          "Ten recipes with {n} ingredients", "Spring catalogue", "Last chance: free delivery")
MACHINES = (("Cron Daemon", "root@backup.example.com"), ("CI", "noreply@ci.example.org"), ("Nagios", "nagios@monitor.example.com"))
EVENTS = ("Planning, room {n}", "Dentist", "Weekly sync", "Fire drill", "Hike to the reservoir", "Board meeting Q{n}")
