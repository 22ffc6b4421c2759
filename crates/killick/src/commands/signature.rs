//! `killick signature …`: sign and verify any HTTP message by RFC 9421, without any server.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use killick_proof::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX};
use killick_proof::message_signature::{
    Algorithm, Component, DigestAlgorithm, Message, Metadata, Policy, SignatureKey, SignatureParameters,
    StructuredFields, StructuredType, VerificationKey, VerifiedSignature, content_digest, read_message, sign,
    verify,
};
use killick_proof::{Refusal, UnixTime};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::{MessageContextArgs, SignatureCommand, SignatureSignArgs, SignatureVerifyArgs};
use crate::commands::agent::time_text;
use crate::folder::{now, read_file, read_text};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// Runs `killick signature …`.
pub fn run(ui: Ui, command: &SignatureCommand) -> Outcome {
    match command {
        SignatureCommand::Verify(args) => verify_message(ui, args),
        SignatureCommand::Sign(args) => sign_message(ui, args),
    }
}

fn verify_message(ui: Ui, args: &SignatureVerifyArgs) -> Outcome {
    let key =
        VerificationKey::from_jwk(&read_jwk(&args.key)?).map_err(|refusal| bad_key(&args.key, &refusal))?;
    let policy = Policy {
        label: args.label.clone(),
        tag: args.tag.clone(),
        components: components(args.covers.as_deref().unwrap_or_default())?,
        algorithm: algorithm(&args.context)?,
        max_age_secs: args.max_age,
        ..Policy::default()
    };
    let structured = structured(&args.context)?;
    let now = args.now.unwrap_or_else(now);
    let bytes = read_input()?;
    let verdict = message(&bytes, &args.context)?
        .and_then(|message| verify(&message, &|_| Some(&key), &policy, &structured, now));
    let shown = match &verdict {
        Ok(verified) => verified_json(verified),
        Err(refusal) => {
            json!({ "verified": false, "code": refusal.code().as_str(), "error": refusal.detail() })
        }
    };
    ui.result(&shown, |paint| match &verdict {
        Ok(verified) => verified_text(verified, paint),
        Err(refusal) => format!("{}: {} ({})", paint.red("NOT VERIFIED"), refusal.detail(), refusal.code()),
    });
    // Told above, in full.
    Ok(if verdict.is_ok() { Exit::Fine } else { Exit::NotVerified }.into())
}

fn verified_json(verified: &VerifiedSignature) -> Value {
    let metadata = verified.parameters().metadata();
    let covered: Vec<String> = verified.parameters().components().iter().map(Component::to_string).collect();
    json!({
        "verified": true,
        "label": verified.label(),
        "algorithm": verified.algorithm().as_str(),
        "components": covered,
        "covers_content": verified.covers_content(),
        "created": metadata.created,
        "expires": metadata.expires,
        "nonce": metadata.nonce,
        "alg": metadata.alg,
        "keyid": metadata.keyid,
        "tag": metadata.tag,
        "base": String::from_utf8_lossy(verified.base()),
    })
}

fn verified_text(verified: &VerifiedSignature, paint: Paint) -> String {
    let metadata = verified.parameters().metadata();
    let mut out =
        format!("{}: signature {} by {}\n", paint.green("verified"), verified.label(), verified.algorithm());
    let covered: Vec<String> = verified.parameters().components().iter().map(Component::to_string).collect();
    let covered = if covered.is_empty() { paint.yellow("nothing of the message") } else { covered.join(" ") };
    let _ = writeln!(out, "  covers   {covered}");
    for (name, secs) in [("created", metadata.created), ("expires", metadata.expires)] {
        if let Some(secs) = secs {
            let _ = writeln!(out, "  {name:<8} {}", time_text(secs));
        }
    }
    for (name, text) in [("key", &metadata.keyid), ("nonce", &metadata.nonce), ("tag", &metadata.tag)] {
        if let Some(text) = text {
            let _ = writeln!(out, "  {name:<8} {text}");
        }
    }
    out.push_str(&if verified.covers_content() {
        "  content  is what its signed digest says".to_owned()
    } else {
        format!("  content  {}", paint.yellow("not covered: it may have been changed"))
    });
    out
}

fn sign_message(ui: Ui, args: &SignatureSignArgs) -> Outcome {
    let key =
        SignatureKey::from_jwk(&read_jwk(&args.key)?).map_err(|refusal| bad_key(&args.key, &refusal))?;
    let algorithm = key.algorithm(None, algorithm(&args.context)?).map_err(|refusal| {
        refused(&refusal).mend("name it with --algorithm, e.g. --algorithm rsa-pss-sha512")
    })?;
    let covered = components(&args.components)?;
    let structured = structured(&args.context)?;
    let own_name = || key.kid().or(key.thumbprint()).map(str::to_owned);
    let metadata = Metadata {
        created: Some(args.created.unwrap_or_else(now).secs()),
        expires: args.expires.map(UnixTime::secs),
        nonce: args.nonce.clone(),
        alg: args.alg.then(|| algorithm.as_str().to_owned()),
        keyid: args.keyid.clone().or_else(own_name),
        tag: args.tag.clone(),
    };
    let parameters = SignatureParameters::new(&covered, &metadata).map_err(|refusal| refused(&refusal))?;
    let bytes = read_input()?;
    let mut message = message(&bytes, &args.context)?.map_err(|refusal| refused(&refusal))?;
    let mut added = Vec::new();
    // A digest that is to be signed and is not there yet is one more line to write.
    let wants_digest =
        covered.iter().any(|one| one.name() == "content-digest" && one.parameters().is_empty());
    if wants_digest && !message.headers().contains("content-digest") {
        added.push(("Content-Digest", content_digest(DigestAlgorithm::Sha256, message.body())));
    }
    for (name, value) in &added {
        message.push_header(name, value).map_err(|refusal| refused(&refusal))?;
    }
    let signed =
        sign(&message, &args.label, &parameters, &structured, &key, Some(algorithm), &SystemRandom::new())
            .map_err(|refusal| refused(&refusal))?;
    added.push(("Signature-Input", signed.signature_input.clone()));
    added.push(("Signature", signed.signature.clone()));
    let whole = with_fields(&bytes, &added);
    if ui.json {
        let shown = json!({
            "signature_input": signed.signature_input,
            "signature": signed.signature,
            "algorithm": algorithm.as_str(),
            "base": String::from_utf8_lossy(&signed.base),
            "message": String::from_utf8_lossy(&whole),
        });
        ui.result(&shown, |_| String::new());
    } else {
        ui.raw(&whole);
    }
    Ok(Exit::Fine.into())
}

/// The message with these fields as the last of its header section, in its own line ends.
fn with_fields(bytes: &[u8], fields: &[(&str, String)]) -> Vec<u8> {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let head = bytes.get(blank..).unwrap_or_default();
    // `read_message` found the empty line, so the search ends.
    let mut start = 0;
    let end = loop {
        let line = head.get(start..).unwrap_or_default();
        match line.iter().position(|byte| *byte == b'\n') {
            Some(length) if line.get(..length).is_some_and(|line| matches!(line, b"" | b"\r")) => {
                break start;
            }
            Some(length) => start += length + 1,
            None => break head.len(),
        }
    };
    let (head, rest) = head.split_at_checked(end).unwrap_or((head, &[]));
    let line_end = if head.ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let mut whole = head.to_vec();
    for (name, value) in fields {
        whole.extend_from_slice(format!("{name}: {value}{line_end}").as_bytes());
    }
    whole.extend_from_slice(rest);
    whole
}

/// The message on standard input with what its context adds. A refusal is of the message, a failure of the context.
fn message(bytes: &[u8], context: &MessageContextArgs) -> Result<Result<Message, Refusal>, Failure> {
    let wrong = |option: &str, why: &str| Failure::usage("usage", format!("--{option}: {why}"));
    let message = match read_message(bytes, &context.scheme) {
        Ok(message) => message,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let request = match &context.request {
        None => None,
        Some(path) => {
            let bytes = read_file(path).map_err(|error| Failure::io("read", path, &error))?;
            let read = read_message(&bytes, &context.scheme)
                .map_err(|refusal| wrong("request", refusal.detail()))?;
            Some(read)
        }
    };
    let with_authority = |message: Message| match (message, &context.authority) {
        (Message::Request(request), Some(authority)) => request
            .with_origin(&context.scheme, authority)
            .map(Message::from)
            .map_err(|refusal| wrong("authority", refusal.detail())),
        (message, _) => Ok(message),
    };
    match (message, request) {
        (message, None) => with_authority(message).map(Ok),
        (Message::Response(response), Some(request)) => match with_authority(request)? {
            Message::Request(request) => Ok(Ok(response.with_request(request).into())),
            Message::Response(_) => Err(wrong("request", "the file holds a response")),
        },
        (Message::Request(_), Some(_)) => Err(wrong("request", "the message is itself a request")),
    }
}

fn structured(context: &MessageContextArgs) -> Result<StructuredFields, Failure> {
    context.structured.iter().try_fold(StructuredFields::default(), |known, text| {
        match text.split_once('=').map(|(name, kind)| (name, StructuredType::from_text(kind))) {
            Some((name, Some(kind))) => Ok(known.with(name, kind)),
            _ => Err(Failure::usage(
                "usage",
                format!("--structured: `{text}` is no NAME=item|list|dictionary"),
            )),
        }
    })
}

fn algorithm(context: &MessageContextArgs) -> Result<Option<Algorithm>, Failure> {
    context.algorithm.as_deref().map_or(Ok(None), |text| {
        Algorithm::from_text(text).map(Some).ok_or_else(|| {
            let names: Vec<&str> = Algorithm::ALL.iter().map(|known| known.as_str()).collect();
            Failure::usage("usage", format!("--algorithm: `{text}` is not known"))
                .mend(format!("take one of {}", names.join(", ")))
        })
    })
}

fn components(text: &str) -> Result<Vec<Component>, Failure> {
    Component::parse_list(text).map_err(|refusal| {
        refused(&refusal).mend("write them in double quotes, e.g. '\"@method\" \"content-digest\"'")
    })
}

/// Standard input, up to the largest message that is read.
fn read_input() -> Result<Vec<u8>, Failure> {
    let limit = 2 * (BODY_BYTES_MAX + HEADER_BYTES_MAX);
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("read", Path::new("standard input"), &error))?;
    if bytes.len() > limit {
        return Err(Failure::usage("limit.size", format!("the message is longer than {limit} bytes")));
    }
    Ok(bytes)
}

fn read_jwk(path: &Path) -> Result<Value, Failure> {
    let text = Zeroizing::new(read_text(path)?);
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage("key.invalid", format!("{} is no JWK: {error}", path.display()))
            .mend("a JWK is one JSON object with `kty` (RFC 7517)")
    })
}

fn bad_key(path: &Path, refusal: &Refusal) -> Failure {
    Failure::usage(refusal.code().as_str(), format!("{}: {}", path.display(), refusal.detail()))
        .mend("keys are OKP Ed25519, EC P-256 or P-384, RSA, or oct; private to sign, public to verify")
}

fn refused(refusal: &Refusal) -> Failure {
    Failure::usage(refusal.code().as_str(), refusal.detail())
}
