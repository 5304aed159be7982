"""Believable mail, any amount of it, the same for the same seed.

    python3 -m tests.data.generate --count 10000 --seed 1 --out DIR [--format maildir|mbox]

The model is one person's mailbox over ten years, written in the order of time: at each step one thing
happens (somebody answers in a thread, a shop sends its newsletter, cron complains, an invitation comes,
...) and becomes one message in one mailbox. Threads stay open for a while, so quotes grow. Sizes have a
median of about 4 KB and a tail to 200 KB. `messages()` yields tests.data.Mail, nothing is kept in memory.
"""
import argparse
import datetime
import email.utils
import os
import pathlib
import random

from . import Mail, compose, parts, words

ME = ("Robin Meyer", "robin.meyer@outlook.example")
FIRST = datetime.datetime(2016, 1, 4, 7, 30, tzinfo=datetime.timezone.utc)
LAST = datetime.datetime(2026, 11, 20, 18, 0, tzinfo=datetime.timezone.utc)
ZONES = (0, 60, 120, 120, 60, -300, -480, 540, 330, -210, 765)  # minutes east
PROJECTS = ("Projects/Alpha", "Projects/Beta", "Projects/Beta/Reports", "Projects/Büro Umbau", "Família e amigos",
            "Входящие счета", "旅行", "Reisen & Übernachtungen")
MAILBOXES = ("INBOX", "Archive", "Sent", "Drafts", "Junk", "Trash", "Newsletters", *PROJECTS)
OPEN_THREADS = 40


class Thread:
    def __init__(self, language, subject, mailbox, charset):
        self.language, self.subject, self.mailbox, self.charset = language, subject, mailbox, charset
        self.ids, self.last, self.last_name, self.last_date = [], "", "", None


class Author:
    """The dice, the clock and the open threads; each of its kinds writes one message."""

    def __init__(self, count, seed):
        self.dice = random.Random(f"outlookfs sample mail {seed}")
        self.count, self.seed = count, seed
        self.threads = []
        self.index = 0
        self.kinds = (self.answer,) * 34 + (self.letter,) * 16 + (self.newsletter,) * 15 + (self.notice,) * 14 + \
            (self.invitation,) * 5 + (self.attachment,) * 9 + (self.page,) * 5 + (self.bounce,) * 2

    def write(self, index):
        self.index = index
        step = (LAST - FIRST) / self.count
        self.date = (FIRST + step * (index + self.dice.random())).replace(microsecond=0)
        mailbox, fields, part = self.dice.choice(self.kinds)()
        received = self.date + datetime.timedelta(seconds=self.dice.choice((1, 2, 3, 5, 8, 40, 600)))
        return Mail(mailbox, received, self.flags(mailbox), compose.message(fields, part))

    # --- kinds ---

    def letter(self, mailbox=None):
        """A new thread, from somebody else or (then it is in Sent) from us."""
        dice = self.dice
        language = dice.choices([l for l, _ in words.WEIGHTED], [w for _, w in words.WEIGHTED])[0]
        mailbox = mailbox or dice.choices(("INBOX", "Archive", "Drafts", dice.choice(PROJECTS)), (55, 25, 3, 17))[0]
        thread = Thread(language, self.fill(dice.choice(language.subjects)), mailbox, dice.choice(language.charsets))
        self.threads.append(thread)
        if len(self.threads) > OPEN_THREADS:
            self.threads.pop(dice.randrange(OPEN_THREADS))
        return self.turn(thread, thread.subject)

    def answer(self):
        if not self.threads:
            return self.letter()
        thread = self.dice.choice(self.threads)
        return self.turn(thread, thread.language.reply + thread.subject)

    def turn(self, thread, subject):
        """One message of a thread: what is said, then what was said before."""
        dice, language = self.dice, thread.language
        mine = bool(thread.ids) and dice.random() < 0.3 or thread.mailbox == "Drafts"
        person, other = (ME, dice.choice(language.people)) if mine else (dice.choice(language.people), ME)
        text = self.prose(language, thread.last_name or other[0] or "you", person[0])
        quoted = text
        if thread.last:
            date = thread.last_date.strftime("%Y-%m-%d %H:%M")
            quote = "\n".join("> " + line for line in thread.last[:12000].split("\n"))
            quoted = f"{text}\n\n{language.wrote.format(date=date, name=thread.last_name)}\n{quote}\n"
        fields = self.fields(person, other, subject, thread.charset, thread.ids)
        thread.ids.append(fields[-1][1])
        thread.last, thread.last_name, thread.last_date = quoted, person[0], self.date
        part = compose.text_part(quoted, "plain", thread.charset, dice)
        if dice.random() < 0.3 and thread.charset != "us-ascii":
            part = compose.multipart("alternative", [part, self.html(quoted, thread.charset)], dice)
        mailbox = thread.mailbox if not mine or thread.mailbox == "Drafts" else "Sent"
        return mailbox, fields, part

    def attachment(self):
        mailbox, fields, part = self.letter()
        pieces = [part]
        count = self.dice.choices((1, 2, 3), (8, 2, 1))[0]
        for _ in range(count):
            name, kind, make = self.dice.choice(parts.KINDS)
            size = min(int(self.dice.lognormvariate(9.4, 1.2)), 140_000 // count)
            pieces.append(compose.file_part(self.fill(name), kind, make(self.dice, size)))
        return mailbox, fields, compose.multipart("mixed", pieces, self.dice)

    def newsletter(self):
        dice = self.dice
        shop = dice.choice(words.SHOPS)
        mailbox = dice.choices(("INBOX", "Newsletters", "Junk", "Trash"), (3, 5, 2, 1))[0]
        fields = self.fields(shop, ME, self.fill(dice.choice(words.OFFERS)), "utf-8")
        host = shop[1].split("@")[1]
        fields[1:1] = [("List-Unsubscribe", f"<https://{host}/u/{dice.getrandbits(64):x}>,\r\n <mailto:off@{host}>"),
                       ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"), ("List-Id", f"<news.{host}>")]
        text = "\n\n".join(self.prose(words.ENGLISH, "reader", shop[0]) for _ in range(dice.randint(1, 3)))
        pieces = [compose.text_part(text, "plain", "utf-8", dice), self.html(text * dice.randint(1, 3), "utf-8", True)]
        return mailbox, fields, compose.multipart("alternative", pieces, dice)

    def notice(self):
        dice = self.dice
        machine = dice.choice(words.MACHINES)
        good = dice.random() < 0.8
        job = dice.choice(("backup", "certificates", "build main", "unit tests", "disk /srv", "log rotation"))
        fields = self.fields(machine, ME, f"{job}: {'ok' if good else 'FAILED'}", "us-ascii")
        fields.insert(1, ("Auto-Submitted", "auto-generated"))
        lines = [f"{self.date:%H:%M}:{dice.randint(0, 59):02} {job} step {n} {'done' if good or n % 7 else 'exit status 2'}, "
                 f"{dice.randint(1, 9999)} ms" for n in range(1, dice.randint(4, 60))]
        return dice.choices(("INBOX", "Archive", "Trash"), (6, 3, 1))[0], fields, \
            compose.text_part("\n".join(lines) + "\n", "plain", "us-ascii", dice)

    def invitation(self):
        dice = self.dice
        title = self.fill(dice.choice(words.EVENTS))
        person = dice.choice(words.ENGLISH.people)
        start = self.date + datetime.timedelta(days=dice.randint(1, 20))
        event = ["BEGIN:VCALENDAR", "PRODID:-//Example//Calendar 1.0//EN", "VERSION:2.0", "METHOD:REQUEST", "BEGIN:VEVENT",
                 f"UID:{dice.getrandbits(64):016x}@calendar.example.com", f"DTSTAMP:{self.date:%Y%m%dT%H%M%SZ}",
                 f"DTSTART:{start:%Y%m%dT%H0000Z}", "DURATION:PT1H", f"SUMMARY:{title.replace(',', chr(92) + ',')}",
                 f"ORGANIZER:mailto:{person[1]}", f"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:{ME[1]}",
                 "SEQUENCE:0", "STATUS:CONFIRMED", "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Reminder",
                 "TRIGGER:-PT15M", "END:VALARM", "END:VEVENT", "END:VCALENDAR"]
        calendar = (["Content-Type: text/calendar; charset=utf-8; method=REQUEST", "Content-Transfer-Encoding: 7bit"],
                    ("\r\n".join(event) + "\r\n").encode())
        text = compose.text_part(f"{person[0]} invites you: {title}\n", "plain", "us-ascii", dice)
        pieces = [compose.multipart("alternative", [text, calendar], dice),
                  compose.file_part("invite.ics", "application/ics", calendar[1])]
        return "INBOX", self.fields(person, ME, f"Invitation: {title}", "utf-8"), compose.multipart("mixed", pieces, dice)

    def page(self):
        """HTML alone, as shops' receipts come."""
        shop = self.dice.choice(words.SHOPS)
        text = self.prose(words.ENGLISH, ME[0], shop[0])
        return "INBOX", self.fields(shop, ME, self.fill("Your order {n}"), "utf-8"), self.html(text, "utf-8", True)

    def bounce(self):
        """A delivery status notification, RFC 3464."""
        dice = self.dice
        lost = f"nobody{dice.randint(1, 99)}@example.org"
        _, fields, part = self.letter("INBOX")
        original = compose.message(fields, part)
        text = compose.text_part(f"Your message to {lost} could not be delivered.\n", "plain", "us-ascii", dice)
        status = (["Content-Type: message/delivery-status"], (
            f"Reporting-MTA: dns; mx.example.com\r\nArrival-Date: {self.stamp(self.date)}\r\n\r\n"
            f"Final-Recipient: rfc822; {lost}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n").encode())
        returned = (["Content-Type: message/rfc822"], original)
        sender = ("Mail Delivery System", "MAILER-DAEMON@mx.example.com")
        return "INBOX", self.fields(sender, ME, "Undelivered Mail Returned to Sender", "us-ascii"), \
            compose.multipart("report", [text, status, returned], dice, "report-type=delivery-status;\r\n ")

    # --- pieces ---

    def fields(self, person, to, subject, charset, references=()):
        """The header: what servers added above, what the author's program wrote below; Message-ID last."""
        dice, host = self.dice, person[1].split("@")[1]
        out = []
        for hop in range(dice.randint(1, 4)):
            when = self.stamp(self.date + datetime.timedelta(seconds=4 - hop), 0)
            out.append(("Received", f"from mx{hop}.{host} (mx{hop}.{host} [192.0.2.{dice.randint(1, 254)}])\r\n\t"
                        f"by in{hop}.outlook.example with ESMTPS id {dice.getrandbits(64):X}\r\n\tfor <{to[1]}>; {when}"))
        if dice.random() < 0.6:
            signature = compose.base64_lines(dice.randbytes(256)).decode().rstrip().replace("\r\n", "\r\n\t ")
            out.append(("DKIM-Signature", f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={host}; s=s1;\r\n\t"
                        f"h=from:to:subject:date:message-id:mime-version;\r\n\tb={signature}"))
        out += [("Date", self.stamp(self.date)), ("From", compose.address(*person, charset)),
                ("To", compose.address(*to, "utf-8")), ("Subject", compose.words(subject, charset))]
        if dice.random() < 0.1:
            out.append(("Cc", "team@example.com, Jo <jo@example.net>"))
        if references:
            out += [("In-Reply-To", references[-1]), ("References", "\r\n ".join(references[-20:]))]
        return out + [("Message-ID", f"<{dice.getrandbits(80):020x}.{self.seed}.{self.index}@{host}>")]

    def stamp(self, date, zone=None):
        offset = datetime.timedelta(minutes=self.dice.choice(ZONES) if zone is None else zone)
        return email.utils.format_datetime(date.astimezone(datetime.timezone(offset)))

    def fill(self, text):
        return text.replace("{n}", str(self.dice.randint(2, 30)))

    def prose(self, language, reader, writer):
        dice = self.dice
        paragraphs = [language.greeting.format(name=reader)]
        for _ in range(dice.choices((1, 2, 3, 6, 12), (6, 6, 4, 2, 1))[0]):
            sentences = (self.fill(dice.choice(language.sentences)) for _ in range(dice.randint(1, 6)))
            paragraphs.append("\n".join(sentences))
        return "\n\n".join(paragraphs + [f"{language.closing}\n{writer}"])

    def html(self, text, charset, styled=False):
        body = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n\n", "</p>\n<p>").replace("\n", "<br>\n")
        style = STYLE * self.dice.randint(1, 4) if styled else ""
        return compose.text_part(f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}">'
                                 f"{style}</head>\n<body><p>{body}</p></body></html>\n", "html", charset, self.dice)

    def flags(self, mailbox):
        dice = self.dice
        if mailbox == "Drafts":
            return ("\\Seen", "\\Draft")
        age = 1 - self.index / self.count
        out = []
        if mailbox in ("Sent", "Archive") or dice.random() < 0.5 + 0.5 * age:
            out.append("\\Seen")
        if mailbox == "INBOX" and dice.random() < 0.15:
            out.append("\\Answered")
        if dice.random() < 0.03:
            out.append("\\Flagged")
        if dice.random() < 0.003:
            out.append("\\Deleted")
        return tuple(out)


STYLE = "\n<style>\n" + "".join(
    f".c{n} td, .c{n} th {{ padding: {n}px 8px; font: {10 + n}px/1.{n} Arial, sans-serif; color: #3{n % 10}4{n % 10}5{n % 10}; }}\n"
    for n in range(1, 13)) + "</style>"


def messages(count, seed=1, rename=None):
    """Yields `count` messages in the order of their dates. `rename` maps mailbox names to the server's own,
    e.g. {"Trash": "Deleted"}."""
    author = Author(count, seed)
    for index in range(count):
        mail = author.write(index)
        yield mail._replace(mailbox=rename[mail.mailbox]) if rename and mail.mailbox in rename else mail


def save_maildir(mails, out):
    """One Maildir per mailbox, nested as folders are; the flags in the file's name, the date as its mtime."""
    letters = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
    for index, mail in enumerate(mails):
        top = out / mail.mailbox
        for name in ("cur", "new", "tmp"):
            (top / name).mkdir(parents=True, exist_ok=True)
        info = "".join(sorted(letters[flag] for flag in mail.flags if flag in letters))
        path = top / "cur" / f"{int(mail.internaldate.timestamp())}.{index:06}.sample:2,{info}"
        path.write_bytes(mail.data)
        os.utime(path, (mail.internaldate.timestamp(),) * 2)


def save_mbox(mails, out):
    for mail in mails:
        path = out / (mail.mailbox + ".mbox")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as target:
            text = mail.data.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
            target.write(f"From sample@example.com {mail.internaldate:%a %b %d %H:%M:%S %Y}\n".encode() + text + b"\n")


def main():
    parser = argparse.ArgumentParser(description="Writes sample mail.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder, made anew")
    parser.add_argument("--format", choices=("maildir", "mbox"), default="maildir")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    save = save_maildir if options.format == "maildir" else save_mbox
    save(messages(options.count, options.seed), options.out)


if __name__ == "__main__":
    main()
