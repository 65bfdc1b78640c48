"""Send mails by Django's means."""

from __future__ import annotations

import smtplib

from django.core.mail import send_mail


class MailFailed(Exception):
    """The mail was not sent; the text is the kind of the error, as a server's words may name people."""


def send(subject: str, text: str, *, to: str) -> None:
    """Send a text to one person, from the site's usual sender.

    :raises MailFailed: if it could not be handed to a mail server.
    """
    try:
        send_mail(subject, text, None, [to])
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise MailFailed(type(error).__name__) from None
